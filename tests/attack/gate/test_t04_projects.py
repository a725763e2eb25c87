"""T01, T04, T05, T60: folders are installed under `local-projects` only, and nothing comes in through them unjudged."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, evil_sdist, plain, site, stopped
from tests.support.stage import BENIGN, WARN, YES
from tests.support.wheels import make_sdist, make_wheel, wheel_name


def folder(stage, where="project", name="mine", *, code="", more="", build=(), requires=()):
    """A project with a backend of its own that writes the marker."""
    place = stage.folder / where
    place.mkdir(exist_ok=True)
    source = backend(stage, name, "1.0", f"open({str(stage.marker)!r}, 'w').close()\n{code}", requires=requires)
    (place / "local_backend.py").write_text(source + "\nbuild_editable = build_wheel\n")
    (place / "pyproject.toml").write_text(
        f'[build-system]\nrequires = {json.dumps(list(build))}\nbuild-backend = "local_backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndependencies = {json.dumps(list(requires))}\n{more}'
    )
    return place


@pytest.mark.parametrize(
    "words",
    [["."], ["-e", "."], ["-e", "file://D"], ["-r", "r.txt"], ["mine @ file://D; python_version > '3'"]],
    ids=" ".join,
)
@BOTH
def test_a_project_of_ours_is_installed_and_what_it_needs_is_judged(stage, tool, words):
    place = folder(stage, requires=["good"], build=["helper"])
    for name in ("good", "helper"):
        stage.wheel(name, "1.0", YES)
        stage.wheel(name, "2.0")
    stage.policy()
    (stage.project / "r.txt").write_text("-e .\n")
    ended = stage.run(*tool, *[word.replace("D", str(place)) if "file://D" in word else word for word in words])
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "mine": "1.0"}
    assert stage.marker.exists()
    assert ended.report["files"][0]["reason"] != ("local-project", "good")
    assert {one["reason"] for one in ended.report["files"]} == {"approved", "local-project"}
    assert not [one.path for one in stage.index.requests if "2.0" in one.path]


@pytest.mark.parametrize(("word", "code"), [("other @ file://D", 1), ("mine @ file://D ; python_version < '3'", 0)])
@BOTH
def test_the_name_and_marker_of_a_folder_count(stage, tool, word, code):
    said = word.replace("D", str(folder(stage)))
    stage.policy()
    assert (stage.run(*tool, said).code, stage.installed) == (code, {})
    assert (plain(stage, tool, said), stage.installed) == (code, {})


@pytest.mark.parametrize("words", [["../other"], ["-e", "../other"], ["-r", "r.txt"], ["./link"]], ids=" ".join)
@pytest.mark.parametrize("text", [WARN, WARN + 'local-projects = ["/"]\n', WARN + 'local-projects = [".."]\n'])
def test_other_folders_are_refused_before_anything_starts(stage, words, text):
    place = folder(stage, "other")
    (stage.project / "link").symlink_to(place)
    (stage.project / "r.txt").write_text("-e ../other\n")
    assert plain(stage, PIP, *words) == 0
    stage.marker.unlink()
    assert plain(stage, PIP, "--no-deps", "--force-reinstall", *words) == 0
    stage.marker.unlink()
    stage.run("openvet-pip", "uninstall", "-y", "mine")
    stage.policy(text)
    before = everything(stage)
    for tool in (PIP, UV):
        ended = stage.run(*tool, *words)
        stopped(stage, ended, 64, before=before)
        assert "local-projects" in ended.err


@pytest.mark.parametrize("line", ["other @ file://D", "-r more.txt"])
def test_nor_does_check_pass_them_in_hashed_requirements(stage, line):
    place = folder(stage, "other", "other")
    digest = stage.wheel("good", "1.0", YES)
    stage.policy()
    (stage.project / "more.txt").write_text("../other\n")
    path = stage.project / "requirements.txt"
    path.write_text(f"good==1.0 --hash=sha256:{digest}\n{line.replace('D', str(place))}\n")
    assert plain(stage, UV, "-r", "requirements.txt") == 0
    assert stage.marker.exists()
    ended = stage.run("openvet-install", "check")
    assert (ended.code, "pypi:other@0?sdist    direct-reference" in ended.out) == (77, True), ended.out
    path.write_text(path.read_text().splitlines()[0] + "\n-e .\n")
    folder(stage)
    ended = stage.run("openvet-install", "check")
    assert (ended.code, ended.err) == (0, "Summary: 1 passed, 0 failed, 0 unaudited, 1 skipped\n")


@BOTH
def test_no_build_requirement_of_a_project_runs_unapproved(stage, tool):
    folder(stage, build=["evil"])
    stage.sdist("evil", "1.0")
    stage.policy()
    before = everything(stage)
    ended = stage.run(*tool, ".")
    stopped(stage, ended, 77, before=before)
    assert "pypi:evil@1.0" in ended.err


@pytest.mark.parametrize("place", ["build", "requires"])
@BOTH
def test_no_project_leads_to_another_folder(stage, tool, place):
    path = evil_sdist(stage)
    folder(stage, **{place: [f"evil @ {path.as_uri()}"]})
    stage.policy(WARN)
    before = everything(stage)
    ended = stage.run(*tool, ".")
    stopped(stage, ended, 64, before=before)
    assert "direct reference" in ended.err


def test_uv_sources_of_a_project_are_refused(stage):
    path = evil_sdist(stage)
    place = folder(stage, requires=["evil"], more=f'[tool.uv.sources]\nevil = {{ path = "{path}" }}\n')
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*UV, str(place)), 77, before=before)


def test_what_a_dynamic_project_brings_in_from_a_folder_is_found(stage):
    path = evil_sdist(stage)
    place = folder(stage)
    source = (place / "local_backend.py").read_text()
    assert "Requires-Dist" not in (place / "pyproject.toml").read_text()
    (place / "local_backend.py").write_text(source + "\n" + make_lie(path))
    stage.policy(WARN)
    ended = stage.run(*PIP, ".")
    assert ended.code == 65, ended.err
    assert "`evil` 1.0" in ended.err


def make_lie(path):
    """Code that rewrites the wheel just built, so that its metadata names a file."""
    return f"""
_inner = build_wheel
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import os, zipfile
    name = _inner(folder, config_settings, None)
    path = os.path.join(folder, name)
    with zipfile.ZipFile(path) as old:
        files = {{one: old.read(one) for one in old.namelist()}}
    key = next(one for one in files if one.endswith("METADATA"))
    files[key] = files[key].replace(b"Name: mine", b"Name: mine\\nRequires-Dist: evil @ {path.as_uri()}")
    with zipfile.ZipFile(path, "w") as new:
        for one, body in files.items():
            new.writestr(one, body)
    return name
for hook in ("prepare_metadata_for_build_wheel", "prepare_metadata_for_build_editable"):
    globals().pop(hook, None)
"""


def test_a_look_alike_of_a_project_is_found(stage):
    """A build in the same run writes a distribution that says it came from the project's folder."""
    place = folder(stage, code=(
        "import os\n"
        "for name in ('mine_too-1.0', 'evil-1.0'):\n"
        "    os.makedirs(f'{SITE}/{name}.dist-info', exist_ok=True)\n"
        "    open(f'{SITE}/{name}.dist-info/METADATA', 'w').write('Name: ' + name[:-4] + '\\nVersion: 1.0\\n')\n"
        "    open(f'{SITE}/{name}.dist-info/RECORD', 'w').write('')\n"
        "    open(f'{SITE}/{name}.dist-info/direct_url.json', 'w').write('{\"url\": \"file://' "
        "        + FOLDER + '/project\"}')\n"
    ))  # fmt: skip
    stage.policy(WARN)
    ended = stage.run(*PIP, str(place))
    assert ended.code == 65, ended.err
    assert "evil" in ended.err
    assert site(stage)


def test_an_unaudited_sdist_beside_a_folder_stays_out(stage):
    folder(stage)
    path = stage.folder / "evil-1.0.tar.gz"
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker))
    stage.policy(BENIGN)
    before = everything(stage)
    stopped(stage, stage.run(*PIP, ".", str(path)), 77, before=before)


@pytest.mark.parametrize("words", [(), ("-r", "r.txt")], ids=["typed", "file"])
@pytest.mark.parametrize("name", ["evil-1.0.tar.gz", wheel_name("evil", "1.0")])
@BOTH
def test_a_folder_with_a_name_that_tools_read_as_an_archive_with_a_marker(stage, tool, words, name):
    stage.policy()
    odd = f"{name};python_version>'2'"
    folder(stage, f"project/{odd}")
    whole = stage.project / name
    marker = stage.folder / "ran"
    whole.write_bytes(make_wheel("evil", "1.0") if name.endswith(".whl") else make_sdist("evil", "1.0", marker=marker))
    (stage.project / "r.txt").write_text(f"./{odd}\n")
    ended = stage.run(*tool, *(words or (f"./{odd}",)))
    assert ended.code == 0, ended.err
    assert stage.installed == {"mine": "1.0"}
    assert not marker.exists()


LIES = ("no project", "another name", "twice", "foreign file")


@pytest.mark.parametrize("lie", LIES)
def test_what_says_that_it_is_a_project_of_ours(stage, lie):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    place = folder(stage, name="good" if lie in ("twice", "foreign file") else "mine")
    if lie == "no project":
        (place / "pyproject.toml").unlink()
    assert stage.run(*PIP, "good").code == 0
    infos = [next(site(stage).glob("good-*.dist-info"))]
    if lie == "twice":
        infos.append(Path(shutil.copytree(infos[0], infos[0].with_name("mine-1.0.dist-info"))))
        text = (infos[1] / "METADATA").read_text()
        (infos[1] / "METADATA").write_text(text.replace("Name: good", "Name: mine"))
    for info in infos:
        (info / "direct_url.json").write_text(json.dumps({"url": place.as_uri(), "dir_info": {}}))
    if lie == "foreign file":
        (site(stage) / "sitecustomize.py").write_text("evil = 1\n")
        with (infos[0] / "RECORD").open("a") as file:
            file.write("sitecustomize.py,,\n")
    else:
        (site(stage) / "good.py").write_text("evil = 1\n")
    ended = stage.run("openvet-install", "check", "--environment")
    assert ended.code in (65, 77), ended.err


SPELLED = ("evil @ file://D e/F", "evil @ D e/F", "evil @ file://D/F # x", "evil @ D/F#x y")
"""uv takes more for an address than the specification allows."""


COMMANDS = [
    *((words, place) for words in ("pip install .", "pip install -e .", "sync") for place in ("dependencies", "extra")),
    *((words, "build") for words in ("pip install .", "build", "sync")),
]


@pytest.mark.parametrize("line", SPELLED)
@pytest.mark.parametrize(("words", "place"), COMMANDS)
def test_addresses_that_only_uv_reads_as_such(stage, line, words, place):
    path = evil_sdist(stage)
    shutil.copytree(path.parent, f"{path.parent} e")
    stage.policy()
    said = json.dumps([line.replace("D", str(path.parent)).replace("F", path.name)])
    more = {"dependencies": f"dependencies = {said}\n", "extra": f"optional-dependencies.x = {said}\n"}.get(place, "")
    (stage.project / "pyproject.toml").write_text(
        f'[build-system]\nrequires = {said if place == "build" else "[]"}\nbuild-backend = "local_backend"\n'
        f'backend-path = ["."]\n[project]\nname = "mine"\nversion = "1.0"\n{more}'
    )
    source = backend(stage, "mine", "1.0", "")
    (stage.project / "local_backend.py").write_text(source + "\nbuild_editable = build_wheel\n")
    before = everything(stage)
    stopped(stage, stage.run("openvet-uv", *words.split()), 64, 77, before=before)


@pytest.mark.parametrize("place", ["requires", "build"])
@BOTH
def test_a_project_that_is_too_long_to_be_read(stage, tool, place):
    said = [f"evil @ {evil_sdist(stage).as_uri()}"]
    place_of = folder(stage, "project/inside", **{place: said})
    stage.marker.unlink(missing_ok=True)
    with (place_of / "pyproject.toml").open("a") as file:
        file.write("\n" + "# all of it is read by the tools\n" * 150_000)
    stage.policy()
    before = everything(stage)
    stopped(stage, stage.run(*tool, "./inside"), 64, before=before)


@pytest.mark.parametrize("words", [["-r", "r.txt"], ["-e", "PLACE/"]], ids=" ".join)
@pytest.mark.parametrize("where", ["evil#x", "evil "])
@BOTH
def test_a_folder_with_a_name_that_leads_elsewhere_is_that_folder(stage, tool, where, words):
    """uv reads a path up to a `#`, an address too, and both tools leave blanks at its end off."""
    folder(stage, "project/evil", "evil")
    folder(stage, f"project/{where}")
    stage.policy(BENIGN + f'local-projects = ["{where}"]\n')
    (stage.project / "r.txt").write_text(f"./{where}/\n")
    ended = stage.run(*tool, *[word.replace("PLACE", where) for word in words])
    refused = tool is UV and "#" in where
    assert ended.code == (64 if refused else 0), ended.err
    assert stage.installed == ({} if refused else {"mine": "1.0"})


@pytest.mark.parametrize("words", [["./own/.. [x]"], ["-e", "./own/.. [x]"]], ids=" ".join)
def test_blanks_in_front_of_extras_are_none_of_the_path(stage, words):
    """As pip reads them: else `.. ` would be a folder of ours for us, and the one above for pip."""
    own = folder(stage, "project/own")
    folder(stage, name="other")
    (own / ".. ").mkdir()
    assert plain(stage, PIP, *words) == 0
    assert stage.marker.exists()
    stage.marker.unlink()
    stage.run("openvet-pip", "uninstall", "-y", "other")
    stage.policy(WARN + 'local-projects = ["own"]\n')
    before = everything(stage)
    stopped(stage, stage.run(*PIP, *words), 64, before=before)
    shutil.move(own / "pyproject.toml", own / ".. ")
    shutil.move(own / "local_backend.py", own / ".. ")
    stopped(stage, stage.run(*PIP, *words), 64, before=before)


def test_a_project_is_installed_with_a_blank_in_front_of_its_extras(stage):
    folder(stage, more="[project.optional-dependencies]\nx = []\n")
    stage.policy()
    ended = stage.run(*PIP, "-e", ". [x]")
    assert ended.code == 0, ended.err
    assert stage.installed == {"mine": "1.0"}


@pytest.mark.parametrize(
    "words", [["file://D#subdirectory=sub"], ["-e", "file://D#egg=sub&subdirectory=sub"]], ids=" ".join
)
@BOTH
def test_the_folder_around_is_not_taken_for_one_inside_of_it(stage, tool, words):
    place = folder(stage)
    folder(stage, "project/sub", "sub")
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, *[word.replace("D", str(place)) for word in words]), 64, before=before)


@pytest.mark.parametrize("editable", [False, True])
@pytest.mark.parametrize("place", ["own[]", "own[[x]"])
def test_what_are_extras_of_a_path_and_what_is_its_end(stage, place, editable):
    """As pip reads it: what stands in brackets at its end, if anything does."""
    folder(stage, "project/own")
    folder(stage, f"project/{place.removesuffix('[x]')}", "other", requires=[f"evil @ {evil_sdist(stage).as_uri()}"])
    words = [*(["-e"] if editable else []), f"./{place}"]
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*PIP, *words), 64, before=before)
    assert plain(stage, PIP, *words) == 0
    assert {"other", "evil"} <= stage.installed.keys()
