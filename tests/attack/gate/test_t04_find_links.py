"""T04: folders and pages of `--find-links` for commands of uv that write or follow a lock."""

import hashlib
import os

import pytest

from tests.support.projects import ELSEWHERE, HERE, WINDOWS, in_project, lock_of, plain_uv, state, unchanged, write
from tests.support.stage import NO, YES, make_environment
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

UV = "openvet-uv"
SCRIPT = '# /// script\n# requires-python = ">=3.10"\n# dependencies = [{}]\n# ///\nprint("ran")\n'


@pytest.fixture
def stage(stage):
    return in_project(stage)


def shelf(stage, name, version, claims=None, *, tag="py3-none-any", folder="w", **options):
    """Put a wheel into a folder beside the project."""
    raw = make_wheel(name, version, tag=tag, **options)
    place = stage.project / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / wheel_name(name, version, tag)).write_bytes(raw)
    if claims is not None:
        stage.log.publish(name, version, variant=tag, sha256=hashlib.sha256(raw).hexdigest(), claims=claims)
    return raw


def named(stage, how):
    return {
        "relative": "w",
        "dotted": "./x/../w",
        "absolute": str(stage.project / "w"),
        "file": (stage.project / "w").as_uri(),
    }[how]


BUILDS = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import base64, hashlib, zipfile
open({wheel!r}, "wb").write({swap!r})
open({marker!r}, "w").close()
def get_requires_for_build_editable(settings=None): return []
def build_editable(folder, settings=None, metadata=None):
    name, rows = "mine-1.0-py3-none-any.whl", []
    with zipfile.ZipFile(folder + "/" + name, "w") as archive:
        info = "mine-1.0.dist-info/"
        for path, text in (
            (info + "METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\nRequires-Dist: good\\n"),
            (info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"),
        ):
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(path + ",sha256=" + digest + "," + str(len(text)))
        archive.writestr(info + "RECORD", "\\n".join(rows + [info + "RECORD,,"]) + "\\n")
    return name
"""

HOW = ["relative", "dotted", "absolute", "file"]


@pytest.mark.parametrize(
    ("how", "index"), [(HOW[0], []), *((one, ["--no-index"]) for one in HOW)], ids=["indexed", *HOW]
)
def test_the_lock_is_what_plain_uv_writes(stage, how, index):
    shelf(stage, "good", "1.0", YES, requires=[f"col; {WINDOWS}"])
    shelf(stage, "nat", "1.0", YES, tag=HERE)
    for tag in ELSEWHERE:
        shelf(stage, "nat", "1.0", tag=tag)
    shelf(stage, "col", "1.0", YES)
    stage.policy()
    write(stage, "good", "nat")
    words = ["--find-links", named(stage, how), *index]
    plain_uv(stage, "lock", *words)
    expected = lock_of(stage)
    (stage.project / "uv.lock").unlink()
    ended = stage.run(UV, "lock", *words)
    assert ended.code == 0, ended.err
    assert lock_of(stage).decode() == expected.decode()
    for more in (["lock", "--locked"], ["sync", "--locked"], ["export"], ["tree"]) if how != "file" else ():
        ended = stage.run(UV, *more, *words)
        assert ended.code == 0, (more, ended.err)
        assert lock_of(stage) == expected
    ended = stage.run(UV, "run", *words, "python", "-c", "print('ran')")
    assert (ended.code, ended.out) == (0, "ran\n"), ended.err
    assert stage.installed == {"good": "1.0", "nat": "1.0"}
    assert stage.leftovers == []


ALONE = ["--find-links", "w", "--no-index"]


@pytest.mark.parametrize("words", [["lock"], ["sync"], ["add", "evil"], ["run", "python", "-V"]], ids=" ".join)
def test_what_nobody_audited_comes_from_no_folder(stage, words):
    shelf(stage, "evil", "1.0")
    stage.policy()
    write(stage, *(["evil"] if words[0] != "add" else []))
    before = state(stage)
    unchanged(stage, stage.run(UV, *words[:1], *ALONE, *words[1:]), before, 77)
    plain_uv(stage, *words[:1], *ALONE, *words[1:])
    assert lock_of(stage)


@pytest.mark.parametrize("words", [["lock"], ["sync"], ["pip", "install", "evil"]], ids=" ".join)
def test_what_nobody_audited_comes_from_no_folder_of_a_configuration(stage, words):
    shelf(stage, "evil", "1.0")
    stage.policy()
    write(stage, "evil", more='[tool.uv]\nno-index = true\nfind-links = ["w"]\n')
    make_environment(stage.environment)
    before = state(stage)
    unchanged(stage, stage.run(UV, *words), before, 77)
    plain_uv(stage, *words)
    assert lock_of(stage) if words[0] != "pip" else stage.installed


def test_a_resolver_is_led_to_what_is_approved_in_a_folder(stage):
    shelf(stage, "good", "1.0", YES)
    shelf(stage, "good", "2.0", NO)
    shelf(stage, "good", "3.0")
    stage.policy()
    write(stage)
    ended = stage.run(UV, "add", "good", env={"UV_FIND_LINKS": str(stage.project / "w"), "UV_NO_INDEX": "1"})
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert str(stage.project / "w").encode() in lock_of(stage)
    ended = stage.run(UV, "remove", "good", *ALONE)
    assert ended.code == 0, ended.err
    assert stage.installed == {}


def sdist_on(stage, name, claims=None, **options):
    raw = make_sdist(name, "1.0", marker=stage.marker, **options)
    (stage.project / "w").mkdir(exist_ok=True)
    (stage.project / "w" / sdist_name(name, "1.0")).write_bytes(raw)
    if claims is not None:
        digest = hashlib.sha256(raw).hexdigest()
        stage.log.publish(name, "1.0", variant="sdist", sha256=digest, claims=claims)


@pytest.mark.parametrize("words", [["lock"], ["sync"], ["tree"], ["export"]], ids=" ".join)
def test_an_unapproved_sdist_of_a_folder_is_never_built(stage, words):
    sdist_on(stage, "evil", more_pyproject='dynamic = ["dependencies"]\n')
    stage.policy()
    write(stage, "evil")
    before = state(stage)
    unchanged(stage, stage.run(UV, *words, *ALONE), before, 77)


def test_what_builds_need_comes_from_a_folder_only_if_it_is_approved(stage):
    """`col` is shown for another platform; a build that asks for it gets nothing of it."""
    dynamic = 'dynamic = ["dependencies"]\n'
    body = {"col.py": f"open({str(stage.marker)!r}, 'a').write('col')"}
    shelf(stage, "col", "1.0", files=body)
    sdist_on(stage, "built", YES, build_requires=["col"], more_pyproject=dynamic)
    stage.policy()
    write(stage, f"col; {WINDOWS}", "built")
    before = state(stage)
    ended = stage.run(UV, "lock", *ALONE)
    if stage.marker.exists():
        assert "col" not in stage.marker.read_text().split()
        stage.marker.unlink()
    unchanged(stage, ended, before, 77)


def test_other_platforms_files_of_a_folder_stay_in_the_lock(stage):
    shelf(stage, "good", "1.0", YES, requires=[f"col; {WINDOWS}"])
    shelf(stage, "col", "1.0")
    stage.policy()
    write(stage, "good")
    plain_uv(stage, "lock", *ALONE)
    expected = lock_of(stage)
    (stage.project / "uv.lock").unlink()
    ended = stage.run(UV, "sync", *ALONE)
    assert ended.code == 0, ended.err
    assert lock_of(stage) == expected
    assert stage.installed == {"good": "1.0"}


def locked(stage, **options):
    shelf(stage, "good", "1.0", YES, **options)
    stage.policy()
    write(stage, "good")
    plain_uv(stage, "lock", *ALONE)


@pytest.mark.parametrize("words", [["sync"], ["sync", "--frozen"], ["run", "python", "-V"]], ids=" ".join)
def test_a_lock_that_names_a_folder_is_judged_by_what_lies_there(stage, words):
    locked(stage)
    raw = make_wheel("good", "1.0", files={"good.py": "evil = 1"})
    (stage.project / "w" / wheel_name("good", "1.0", "py3-none-any")).write_bytes(raw)
    before = state(stage)
    ended = stage.run(UV, words[0], *ALONE, *words[1:])
    unchanged(stage, ended, before, 77)
    assert "good@1.0" in ended.err


SPELLED = {
    "table": lambda text: text.replace(
        'source = { registry = "w" }\nwheels = [\n    { path = ',
        '[package.source]\nregistry = "w"\n[[package.wheels]]\npath = ',
    ).replace('.whl" },\n]', '.whl"'),
    "escape": lambda text: text.replace('registry = "w"', 'registry = "\\u0077"'),
    "spaces": lambda text: text.replace('source = { registry = "w" }', 'source={registry="w"}'),
    "quoted": lambda text: text.replace('source = { registry = "w" }', '"source" = { "registry" = "w" }'),
    "climbing": lambda text: text.replace('path = "good', 'path = "../evil/good'),
    "elsewhere": lambda text: text.replace('registry = "w"', 'registry = "evil"'),
    "address": lambda text: text.replace("{ path = ", '{ url = "file://D/evil/good-1.0-py3-none-any.whl", path = '),
    "address alone": lambda text: text.replace('{ path = "', '{ url = "file://D/evil/'),
}


@pytest.mark.parametrize("how", SPELLED)
def test_locks_as_nobody_writes_them_lead_to_no_other_bytes(stage, how):
    locked(stage)
    evil = make_wheel("good", "1.0", files={"good.py": "evil = 1"})
    (stage.project / "evil").mkdir()
    (stage.project / "evil" / wheel_name("good", "1.0", "py3-none-any")).write_bytes(evil)
    text = lock_of(stage).decode()
    changed = SPELLED[how](text).replace("D/", f"{stage.project}/")
    assert changed != text
    (stage.project / "uv.lock").write_text(changed)
    before = state(stage)
    ended = stage.run(UV, "sync", "--frozen")
    if ended.code == 0:
        assert lock_of(stage).decode() == changed
        assert "evil" not in next(stage.environment.rglob("good.py")).read_text()
    else:
        unchanged(stage, ended, before, 64, 77)


def test_an_address_beside_the_path_of_an_approved_sdist(stage):
    """In its own lock uv takes the address."""
    sdist_on(stage, "good", YES)
    (stage.project / "evil").mkdir()
    (stage.project / "evil" / sdist_name("good", "1.0")).write_bytes(make_sdist("good", "1.0", marker=stage.marker))
    stage.policy()
    write(stage, "good")
    plain_uv(stage, "lock", *ALONE)
    stage.marker.unlink(missing_ok=True)
    address = (stage.project / "evil" / sdist_name("good", "1.0")).as_uri()
    text = lock_of(stage).decode().replace("{ path = ", f'{{ url = "{address}", path = ')
    (stage.project / "uv.lock").write_text(text)
    before = state(stage)
    unchanged(stage, stage.run(UV, "sync", "--frozen"), before, 64)


def test_a_folder_that_changes_while_uv_works(stage):
    """A build swaps a wheel of the folder before it is installed: uv has a copy."""
    wheel = stage.project / "w" / wheel_name("good", "1.0", "py3-none-any")
    swap = make_wheel("good", "1.0", files={"good.py": "evil = 1"})
    shelf(stage, "good", "1.0", YES)
    stage.policy()
    mine = BACKEND.format(wheel=str(wheel), swap=swap, marker=str(stage.marker))
    write(stage, "good", more=BUILDS)
    (stage.project / "backend.py").write_text(mine)
    (stage.project / "openvet.toml").write_text(
        (stage.project / "openvet.toml").read_text().replace("[install]\n", '[install]\nlocal-projects = ["."]\n')
    )
    ended = stage.run(UV, "sync", *ALONE)
    assert stage.marker.exists(), ended.err
    assert wheel.read_bytes() == swap
    assert ended.code == 0, ended.err
    assert "evil" not in next(stage.environment.rglob("good.py")).read_text()


def test_pages_of_links(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("bad", "1.0")
    stage.index.lies.html = True
    page = f"{stage.index.simple_url.rstrip('/')}/good/"
    stage.policy()
    write(stage, "good")
    for more, words in (
        ("", ["--find-links", page, "--no-index"]),
        (f'[tool.uv]\nno-index = true\nfind-links = ["{page}"]\n', []),
    ):
        write(stage, "good", more=more)
        plain_uv(stage, "lock", *words)
        expected = lock_of(stage)
        assert page.encode() in expected
        (stage.project / "uv.lock").unlink()
        for each in (["lock"], ["sync"], ["tree"], ["export"], ["sync", "--locked"]):
            ended = stage.run(UV, *each, *words)
            assert ended.code == 0, ended.err
            assert lock_of(stage) == expected
        assert stage.installed == {"good": "1.0"}
        ended = stage.run(UV, "add", "bad", *words)
        assert ended.code in (1, 77), ended.err
        (stage.project / "uv.lock").unlink()


@pytest.mark.parametrize("how", ["dotted", "file"])
def test_scripts(stage, how):
    shelf(stage, "good", "1.0", YES)
    shelf(stage, "evil", "1.0")
    stage.policy()
    write(stage)
    script = stage.project / "job.py"
    script.write_text(SCRIPT.format('"good"'))
    words = ["--script", "job.py", "--find-links", named(stage, how), "--no-index"]
    plain_uv(stage, "lock", *words)
    lock = stage.project / "job.py.lock"
    expected = lock.read_bytes()
    lock.unlink()
    ended = stage.run(UV, "lock", *words)
    assert ended.code == 0, ended.err
    assert lock.read_bytes() == expected
    for more in (["lock", "--locked"], ["sync", "--locked"], ["sync"], ["tree"], ["export"]):
        ended = stage.run(UV, *more, *words)
        assert ended.code == 0, (more, ended.err)
        assert lock.read_bytes() == expected
    ended = stage.run(UV, "run", "--find-links", named(stage, how), "--no-index", "job.py")
    assert (ended.code, ended.out) == (0, "ran\n"), ended.err
    before = state(stage)
    unchanged(stage, stage.run(UV, "add", "evil", *words), before, 77)
    ended = stage.run(UV, "remove", "good", *words)
    assert ended.code == 0, ended.err
    lock.unlink()
    script.write_text(SCRIPT.format('"evil"'))
    for each in (["lock"], ["sync"], ["tree"]):
        assert stage.run(UV, *each, *words).code == 77
    assert stage.run(UV, "run", "--find-links", "w", "--no-index", "job.py").code == 77


def test_a_lock_is_as_it_was_when_uv_fails(stage):
    locked(stage)
    before = state(stage)
    os.truncate(stage.project / "w" / wheel_name("good", "1.0", "py3-none-any"), 10)
    before = state(stage)
    ended = stage.run(UV, "lock", *ALONE, "--upgrade")
    unchanged(stage, ended, before, 65, 77)


@pytest.mark.parametrize("how", ["dotted", "absolute", "file"])
def test_compiled_files(stage, how):
    shelf(stage, "good", "1.0", YES)
    shelf(stage, "good", "2.0")
    shelf(stage, "evil", "1.0")
    stage.policy()
    (stage.project / "r.in").write_text("good<2\n")
    out = stage.project / "out"
    words = ["pip", "compile", "r.in", "--find-links", named(stage, how), "--no-index"]
    for more in (["--emit-find-links"], ["--format", "pylock.toml"]):
        expected = plain_uv(stage, *words, *more).replace("uv --no-cache pip", "uv pip")
        ended = stage.run(UV, *words, *more)
        assert (ended.code, ended.out) == (0, expected), ended.err
    (stage.project / "r.in").write_text("evil\n")
    for more in (["-o", "out"], ["-o", "out", "--universal"]):
        assert stage.run(UV, *words, *more).code == 77
        assert not out.exists()


def test_a_folder_in_a_folder(stage):
    shelf(stage, "deep", "1.0", YES, folder="w/v")
    shelf(stage, "good", "1.0", YES)
    stage.policy()
    (stage.project / "r.in").write_text("good\ndeep\n")
    ended = stage.run(UV, "pip", "compile", "r.in", "--find-links", "w/v", "--find-links", "w", "--no-index")
    assert ended.code == 0, ended.err
    assert {"good==1.0", "deep==1.0"} <= set(ended.out.splitlines())
