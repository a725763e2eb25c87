"""T03, T05, T20: `uv pip compile` resolves, and may build: nothing unapproved gets into its output, or runs."""

import hashlib
import os
import threading

import pytest

from tests.support.attacks import evil_sdist
from tests.support.projects import ELSEWHERE, HERE, WINDOWS, state, unchanged
from tests.support.stage import BENIGN, NO, WARN, YES
from tests.support.wheels import make_sdist

COMPILE = ("openvet-uv", "pip", "compile")
INNER = "Metadata-Version: 2.1\nName: inner\nVersion: 1.0\nProvides-Extra: x\nRequires-Dist: bad ; extra == 'x'\n\n"
DYNAMIC = 'dynamic = ["dependencies"]\n'
FORMS = [[], ["-o", "out.txt"], ["-o", "pylock.toml"], ["--universal", "--generate-hashes", "-o", "new/out.txt"]]


def write(stage, text, name="requirements.in"):
    (stage.project / name).write_text(text)


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
@pytest.mark.parametrize("claims", [None, NO], ids=["unaudited", "contradicted"])
def test_what_nobody_audited_gets_into_no_output(stage, words, claims):
    stage.wheel("bad", "1.0", claims)
    stage.sdist("bad", "1.0", more_pyproject=DYNAMIC)
    stage.policy(BENIGN if claims is None else WARN)
    write(stage, "bad\n")
    write(stage, "# mine\n", "out.txt")
    before = state(stage)
    ended = stage.run(*COMPILE, "requirements.in", *words)
    unchanged(stage, ended, before, 77)
    assert not ended.out
    assert ("uv was shown no file of bad" if claims is None else "does not forgive a no") in ended.ours[0]
    assert ("out.txt, environment unchanged" in ended.ours[0]) == ("out.txt" in " ".join(words))


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
def test_a_package_that_turns_out_to_be_needed_after_all(stage, words):
    """Two extras in a row hide from us that this target needs it: what was written is judged."""
    stage.wheel("bad", "1.0")
    stage.wheel("inner", "1.0", YES, metadata=INNER)
    stage.wheel("last", "1.0", YES, requires=["inner[x]"])
    stage.policy()
    write(stage, "last\n")
    before = state(stage)
    ended = stage.run(*COMPILE, "requirements.in", *words)
    unchanged(stage, ended, before, 77)
    assert not ended.out
    assert "1 of 3 packages in the new" in ended.ours[0]
    assert "pypi:bad@1.0?py3-none-any" in ended.err


def test_metadata_of_an_unapproved_neighbour_counts_for_nothing(stage):
    stage.wheel("worse", "1.0", YES)
    stage.wheel("nat", "1.0", YES, tag=HERE)
    for tag in ELSEWHERE:
        stage.wheel("nat", "1.0", tag=tag, requires=["worse"])
    stage.policy()
    write(stage, "nat\n")
    for more in ([], ["--universal"], ["-o", "pylock.toml"]):
        ended = stage.run(*COMPILE, "requirements.in", *more)
        assert ended.code == 0, ended.err
        assert "worse" not in ended.out


def test_other_platforms(stage):
    """What only Windows needs is listed for every platform, and judged where it is compiled for."""
    stage.wheel("app", "1.0", YES, requires=[f"win; {WINDOWS}"])
    stage.wheel("win", "1.0", tag="py3-none-win_amd64")
    stage.policy()
    write(stage, "app\n")
    ended = stage.run(*COMPILE, "requirements.in", "--universal")
    assert ended.code == 0, ended.err
    assert "win==1.0 ; sys_platform == 'win32'" in ended.out
    before = state(stage)
    ended = stage.run(*COMPILE, "requirements.in", "--python-platform", "windows", "-o", "out.txt")
    unchanged(stage, ended, before, 77)


def test_no_backend_of_an_unapproved_sdist_runs(stage):
    stage.sdist("source", "1.0", more_pyproject=DYNAMIC)
    stage.policy()
    write(stage, "source\n")
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "requirements.in", "-o", "out.txt"), before, 77)


REFERENCES = [
    "evil @ {uri}",
    "{path}",
    "./evil-1.0.tar.gz",
    "-e ./evil",
    "./evil",
    "evil @ git+file://{folder}",
    "-r nested.in",
    "-c limits.txt",
    "evil @ http://127.0.0.1:9/evil-1.0.tar.gz",
    "-f {folder}",
]


@pytest.mark.parametrize("mode", [BENIGN, WARN], ids=["block", "warn"])
@pytest.mark.parametrize("line", REFERENCES)
def test_references_past_the_index(stage, line, mode):
    path = evil_sdist(stage)
    evil_sdist(stage, stage.project)
    folder = stage.project / "evil"
    folder.mkdir()
    (folder / "setup.py").write_text(f"open({str(stage.marker)!r}, 'w')")
    write(stage, f"evil @ {path.as_uri()}\n", "nested.in")
    write(stage, f"good @ {path.as_uri()}\n", "limits.txt")
    stage.wheel("good", "1.0", YES)
    if mode == WARN and not line.startswith("-f"):  # of an archive of this machine silence would pass
        for sha256 in {hashlib.sha256(one.read_bytes()).hexdigest() for one in (path, stage.project / path.name)}:
            stage.log.publish("evil", "1.0", variant="sdist", sha256=sha256, claims=NO)
    stage.policy(mode + 'local-projects = ["nothing"]\n')
    asked = "evil" if line.startswith("-f") else "good"
    write(stage, line.format(uri=path.as_uri(), path=path, folder=path.parent) + f"\n{asked}\n")
    before = state(stage)
    ended = stage.run(*COMPILE, "requirements.in", "-o", "out.txt")
    if line.startswith("-f") and mode == WARN:  # it is silence about an archive that people named by its folder
        assert ended.code in (0, 64)
        return
    unchanged(stage, ended, before, 64, 77)


PROJECTS = {
    "a direct reference": 'dependencies = ["evil @ {uri}"]',
    "a repository": 'dependencies = ["evil @ git+file:///d"]',
    "an extra": 'dependencies = []\n[project.optional-dependencies]\nx = ["evil @ {uri}"]',
    "a group": 'dependencies = []\n[dependency-groups]\ndev = ["evil @ {uri}"]',
    "a source": 'dependencies = ["evil"]\n[tool.uv.sources]\nevil = {{ path = "{path}" }}',
    "a build": 'dynamic = ["dependencies"]',
    "an index": 'dependencies = ["evil"]\n[[tool.uv.index]]\nurl = "{folder}"\nformat = "flat"',
    "a proxy": 'dependencies = ["evil"]\n[tool.uv]\nhttp-proxy = "http://127.0.0.1:9"',
}


@pytest.mark.parametrize("kind", PROJECTS)
def test_projects_that_lead_past_the_index(stage, kind):
    path = evil_sdist(stage)
    stage.wheel("evil", "1.0")
    stage.policy()
    (stage.project / "setup.py").write_text(f"open({str(stage.marker)!r}, 'w')")
    text = PROJECTS[kind].format(uri=path.as_uri(), path=path, folder=path.parent)
    write(stage, f'[project]\nname = "mine"\nversion = "1"\n{text}\n', "pyproject.toml")
    before = state(stage)
    for words in (["pyproject.toml", "--all-extras", "--group", "dev"], ["pyproject.toml", "-o", "out.txt"]):
        if kind in ("an extra", "a group") and "-o" in words:
            continue
        unchanged(stage, stage.run(*COMPILE, *words), before, 2, 64, 77, 78)
    for name in ("setup.py", "setup.cfg") if kind != "a group" else ():
        unchanged(stage, stage.run(*COMPILE, name), before, 2, 64, 77, 78)  # there is no setuptools


@pytest.mark.parametrize("words", [["--group", "inner/pyproject.toml:d"], ["inner/pyproject.toml"]], ids=" ".join)
def test_sources_of_a_workspace_around(stage, words):
    path = evil_sdist(stage)
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker, more_pyproject=DYNAMIC))
    stage.wheel("evil", "1.0", YES)
    stage.policy()
    around = f'[tool.uv.workspace]\nmembers = ["inner"]\n[tool.uv.sources]\nevil = {{ path = "{path}" }}\n'
    write(stage, f'[project]\nname = "mine"\nversion = "1"\n{around}', "pyproject.toml")
    (stage.project / "inner").mkdir()
    inner = '[project]\nname = "inner"\nversion = "1"\ndependencies = ["evil"]\n[dependency-groups]\nd = ["evil"]\n'
    write(stage, inner, "inner/pyproject.toml")
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, *words, "-o", "out.txt"), before, 64)


UNREAD = {
    "of Poetry": "[tool.poetry.dependencies]\ngood = '*'\n",
    "in words": "dependencies = ['good b c']\n",
    "without a name": "dependencies = ['good_']\n",
    "of an arbitrary version": "dependencies = ['good===x_y!']\n",
}


@pytest.mark.parametrize("kind", UNREAD)
def test_a_project_whose_requirements_uv_cannot_read_is_not_built(stage, kind):
    """No policy lets it: what stands for a backend is code by itself."""
    stage.wheel("good", "1.0", YES)
    stage.policy(BENIGN + "local-projects = []\n")
    backend = f"sys\\nopen({str(stage.marker)!r}, 'w')\\nimport sys"
    write(
        stage,
        f"[project]\nname = 'm'\nversion = '1'\n{UNREAD[kind]}"
        f'[build-system]\nrequires = []\nbuild-backend = "{backend}"\n',
        "pyproject.toml",
    )
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "pyproject.toml", "-o", "out.txt"), before, 2, 64)


def test_a_project_is_read_as_it_stands(stage):
    """Its copy says the same, whatever the text is like."""
    stage.wheel("good", "1.0", YES)
    stage.wheel("more", "1.0", YES)
    stage.policy()
    write(
        stage,
        "project = { name = 'm', version = '1', dependencies = ['good ; \"win\" not in sys_platform'], "
        "optional-dependencies = { \"a-b\" = ['more'] }, urls = { \"\U0001f40d \\u007f \\n\" = 'x' } }\n"
        "[tool.other]\nwhen = 1979-05-27T07:32:00Z\n[tool.uv]\nprerelease = 'allow'\nconcurrent-builds = 2\n"
        "no-build = false\n[dependency-groups]\nd = ['more']\n",
        "pyproject.toml",
    )
    for words in ([], ["--extra", "a-b"], ["--group", "d"]):
        ended = stage.run(*COMPILE, "pyproject.toml", *words)
        assert ended.code == 0, ended.err
        assert [line for line in ended.out.splitlines() if line[:1] not in "# "] == [
            "good==1.0",
            *(["more==1.0"] if words else []),
        ]


@pytest.mark.parametrize(
    "text",
    [
        "evil @ {uri}\n",
        "-e ./evil\n",
        "-r more.txt\n",
        "good==1.0 --config-settings x=y\n",
        "--index-url file://{folder}\ngood==1.0\n",
        "--find-links {folder}\nevil==1.0\n",
        "\x00\n",
    ],
)
def test_what_was_written_before_is_no_input(stage, text):
    """Of the file that is written again only pinned releases are read."""
    path = evil_sdist(stage)
    folder = stage.project / "evil"
    folder.mkdir()
    (folder / "setup.py").write_text(f"open({str(stage.marker)!r}, 'w')")
    write(stage, f"evil @ {path.as_uri()}\n", "more.txt")
    stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "good\n")
    write(stage, text.format(uri=path.as_uri(), folder=path.parent), "out.txt")
    ended = stage.run(*COMPILE, "requirements.in", "-o", "out.txt")
    assert ended.code == 0, ended.err
    assert "good==1.0" in ended.out
    assert "evil" not in ended.out
    assert not stage.marker.exists()


def test_hashes_that_stood_there_before_are_not_written_again(stage):
    """uv takes them from there for a release that stays, and a plain tool would take the file that they name."""
    digest = stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "good\n")
    write(stage, f"good==1.0 --hash=sha256:{'0' * 64}\n", "out.txt")
    ended = stage.run(*COMPILE, "requirements.in", "--generate-hashes", "-o", "out.txt")
    assert ended.code == 0, ended.err
    assert digest in (stage.project / "out.txt").read_text()
    assert "0" * 64 not in (stage.project / "out.txt").read_text()


def test_what_is_no_file_of_requirements(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "good\n")
    (stage.project / "folder").mkdir()
    write(stage, "# /// script\n# dependencies = ['good']\n# ///\n", "job")
    before = state(stage)
    for words in (
        ["requirements.in", "-o", "folder"],
        ["requirements.in", "-o", ""],
        ["job"],
        ["good.in", "-c", "job"],
    ):
        unchanged(stage, stage.run(*COMPILE, *words), before, 64)
    ended = stage.run(*COMPILE, "requirements.in", "-o", "/dev/stdout")
    assert ended.code == 0, ended.err
    assert "good==1.0" in ended.out


def test_files_are_read_once(stage):
    """Two pipes, and a file and a configuration that are other ones when uv starts."""
    path = evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0", YES)
    stage.policy()
    pipe = stage.project / "pipe.in"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("good<2\n"))
    writer.start()
    ended = stage.run(*COMPILE, "pipe.in")
    writer.join()
    assert "good==1.0" in ended.out, ended.err
    write(stage, "good\n")
    write(stage, "[project]\nname = 'mine'\nversion = '1'\ndependencies = ['good']\n", "pyproject.toml")
    evil = f"evil @ {path.as_uri()}"

    def swap(_number, asked):
        if asked.endswith("/simple/good/"):
            write(stage, f"{evil}\n")
            write(stage, f"[project]\nname = 'mine'\nversion = '1'\ndependencies = ['{evil}']\n", "pyproject.toml")

    stage.index.lies.at_request = swap
    ended = stage.run(*COMPILE, "requirements.in", "pyproject.toml")
    assert ended.code == 0, ended.err
    assert "evil" not in ended.out
    assert not stage.marker.exists()


def test_scripts_whose_metadata_leads_past_the_index(stage):
    path = evil_sdist(stage)
    stage.policy(WARN)
    before = state(stage)
    for text in (f'dependencies = ["evil @ {path.as_uri()}"]', '[tool.uv]\nhttp-proxy = "http://127.0.0.1:9"'):
        body = "".join(f"# {line}\n" for line in text.splitlines())
        write(stage, f"# /// script\n{body}# ///\n", "job.py")
        before = state(stage)
        unchanged(stage, stage.run(*COMPILE, "job.py"), before, 64, 78)


FLAGS = ("--cache-dir=c", "--preview", "--isolated", "--no-verify-hashes", "--config=f", "--pip-args=x")


@pytest.mark.parametrize("flag", FLAGS)
def test_flags_that_lead_past_the_gate(stage, flag):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "good\n")
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "requirements.in", flag), before, 64)


def test_nobody_elses_python(stage):
    """uv looks for an environment from its working folder on: the mirror lies in a folder where others may write."""
    planted = stage.folder / "tmp" / ".venv" / "bin"
    planted.mkdir(parents=True)
    (planted / "python").write_text(f"#!/bin/sh\ntouch {stage.marker}\nexit 1\n")
    (planted / "python").chmod(0o755)
    (planted.parent / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "good\n")
    ended = stage.run(*COMPILE, "requirements.in", env={"VIRTUAL_ENV": ""})
    assert ended.code == 0, ended.err
    assert not stage.marker.exists()


def test_standard_input_leads_nowhere_else(stage):
    path = evil_sdist(stage)
    stage.policy()
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "-", stdin=f"evil @ {path.as_uri()}\n"), before, 64, 77)


@pytest.mark.parametrize("how", ["uv.toml", "pyproject.toml", "around a project"])
@pytest.mark.parametrize("words", [["pip", "compile", "job.py"], ["lock", "--script", "job.py"]], ids=" ".join)
def test_configuration_above_our_own_folder(stage, words, how):
    """Our copies lie below TMPDIR, where others may write: uv looks upwards for what configures it."""
    path = evil_sdist(stage)
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker, more_pyproject=DYNAMIC))
    above = stage.folder / "shared"
    above.mkdir(exist_ok=True)
    said = f'no-index = true\nfind-links = ["{path.parent}"]\n'
    if how == "uv.toml":
        (above / how).write_text(said)
    else:
        (above / "pyproject.toml").write_text(f"[tool.uv]\n{said}[tool.uv.workspace]\nmembers = ['**']\n")
    if how == "around a project":
        write(stage, '[project]\nname = "own"\nversion = "1.0"\n', "pyproject.toml")
    stage.policy(WARN)
    write(stage, '# /// script\n# dependencies = ["evil"]\n# ///\n', "job.py")
    before = state(stage)
    ended = stage.run("openvet-uv", *words, env={"TMPDIR": str(above)})
    unchanged(stage, ended, before, 1, 77)
    assert "evil was not found in the package registry" in ended.err


@pytest.mark.parametrize("how", ["typed", "nested", "constraint", "project", "output", "script"])
def test_paths_that_climb_above_the_root(stage, how):
    """For the system there is nothing above `/`; above the root of our copies there are folders of others."""
    above = stage.folder / "shared"
    good = stage.folder / "good.in"
    planted = above / str(good)[1:]
    planted.parent.mkdir(parents=True)
    evil_sdist(stage)
    path = evil_sdist(stage)
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker, more_pyproject=DYNAMIC))
    good.write_text("good\n")
    planted.write_text(f"--no-index\n--find-links {path.parent}\nevil\n")
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    up = "../" * (len(stage.project.resolve().parts) - 1 + 2)
    climbing = f"{up}{str(good)[1:]}"
    write(stage, f"-r {climbing}\n" if how == "nested" else "good\n")
    words = ["pip", "compile", climbing if how == "typed" else "requirements.in"]
    if how in ("constraint", "project", "output"):
        words += [{"constraint": "-c", "project": "--project", "output": "-o"}[how], climbing]
    if how == "script":
        text = '# /// script\n# dependencies = ["{}"]\n# ///\n'
        good.write_text(text.format("good"))
        planted.write_text(text.format(f"evil @ {path.as_uri()}"))
        words = ["lock", "--script", climbing]
    if how == "project":
        for folder, said in (
            (good.with_suffix(""), ""),
            (planted.with_suffix(""), f'find-links = ["{path.parent}"]\n'),
        ):
            folder.mkdir()
            (folder / "uv.toml").write_text(said)
        words[-1] = words[-1].removesuffix(".in")
        write(stage, "evil\n")
    before, there = state(stage), planted.read_bytes()
    ended = stage.run("openvet-uv", *words, env={"TMPDIR": str(above)})
    unchanged(stage, ended, before, 64)
    assert planted.read_bytes() == there
