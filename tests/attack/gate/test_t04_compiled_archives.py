"""T03, T04: archives of this machine in files that `uv pip compile` reads: judged by their bytes, read as copies."""

import hashlib

import pytest

from tests.attack.gate.test_t05_uv_folders import DYNAMIC
from tests.e2e.test_uv_pip_compile import COMPILE, same
from tests.support.attacks import backend
from tests.support.folders import folder
from tests.support.projects import state
from tests.support.stage import BENIGN, NO, WARN, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name


def put(stage, raw, filename, claims=None):
    place = stage.project / "w" / filename
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(raw)
    name, version = filename.split("-")[0], "1.0"
    variant = "py3-none-any" if filename.endswith(".whl") else "sdist"
    if claims is not None:
        sha256 = hashlib.sha256(raw).hexdigest()
        stage.log.publish(name, version, variant=variant, sha256=sha256, claims=claims)
    return place


def wheel(stage, name="thing", claims=YES, **options):
    return put(stage, make_wheel(name, "1.0", **options), wheel_name(name, "1.0", "py3-none-any"), claims)


def sdist(stage, name="thing", claims=YES, **options):
    raw = make_sdist(name, "1.0", marker=stage.marker, more_pyproject=DYNAMIC, **options)
    return put(stage, raw, sdist_name(name, "1.0"), claims)


def write(stage, text):
    (stage.project / "r.in").write_text(text)


LINES = [
    "./w/{name}", "w/{name}", "{path}", "thing @ {uri}", "thing @ {uri}#sha256={sha256}", "./w/{name} ; os_name != 'x'",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_as_plain_uv(stage, kind, line):
    stage.wheel("dep", "1.0", YES)
    options = {"requires": ["dep"]} if kind == "wheel" else {"wheel_requires": ["dep"]}
    path = (wheel if kind == "wheel" else sdist)(stage, **options)
    stage.policy()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    write(stage, line.format(name=path.name, path=path, uri=path.as_uri(), sha256=sha256) + "\n")
    for more in ([], ["--generate-hashes", "-o", "out.txt"], ["--universal"]):
        said, _written = same(stage, "r.in", *more)
        assert path.name in said
        assert "dep==1.0" in said
    said, written = same(stage, "r.in", "-o", "pylock.toml", output="pylock.toml")
    assert path.name in written
    assert sha256 in written
    same(stage, "r.in", "--format", "pylock.toml")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", ["unaudited", "contradicted", "sdist", "build", "requires"])
def test_what_nobody_audited(stage, kind, line):
    stage.sdist("bad", "1.0", NO, more_pyproject=DYNAMIC)
    if kind in ("unaudited", "contradicted"):
        path = wheel(stage, claims=NO if kind == "contradicted" else None)
    elif kind == "sdist":
        path = sdist(stage, claims=None)
    else:
        path = sdist(stage, **{"build_requires" if kind == "build" else "wheel_requires": ["bad"]})
    stage.policy(WARN if kind == "contradicted" else BENIGN)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    write(stage, line.format(name=path.name, path=path, uri=path.as_uri(), sha256=sha256) + "\n")
    before = state(stage)
    for more in ([], ["-o", "out.txt"], ["-o", "pylock.toml"]):
        ended = stage.run(*COMPILE, "r.in", *more)
        assert (ended.code, ended.out) == (77, ""), ended.err
        if kind in ("sdist", "build"):
            assert not stage.marker.exists()
        assert not stage.marker.exists() or "bad" not in stage.marker.read_text()
        assert state(stage) == before


def test_an_archive_has_no_place_elsewhere(stage):
    path = wheel(stage)
    stage.policy()
    write(stage, f"./w/{path.name}\n")
    (stage.project / "none.in").write_text("")
    for flag in ("-c", "-b", "--overrides"):
        ended = stage.run(*COMPILE, "none.in", flag, "r.in")
        assert ended.code in (64, 77), ended.err


@pytest.mark.parametrize("what", ["another archive", "other bytes"])
def test_a_build_that_changes_what_is_locked(stage, what):
    """An approved build has the hands of the user: what it brings into the lock is not what was judged."""
    if what == "other bytes":
        evil = stage.folder / "evil.whl"
        evil.write_bytes(make_wheel("thing", "1.0", files={"evil.py": ""}))
        code = (
            "import glob, shutil\n"
            "for place in glob.glob(FOLDER + '/tmp/openvet-*/mirror/**/thing-*.whl', recursive=True):\n"
            f"    shutil.copy({str(evil)!r}, place)\n"
        )
        needs = ()
    else:
        evil = put(stage, make_wheel("evil", "1.0"), wheel_name("evil", "1.0", "py3-none-any"))
        code, needs = "", (f"evil @ {evil.as_uri()}",)
    wheel(stage)
    raw = make_sdist(
        "builds", "1.0", backend=backend(stage, "builds", "1.0", code, requires=needs), more_pyproject=DYNAMIC
    )
    put(stage, raw, sdist_name("builds", "1.0"), YES)
    stage.policy()
    write(stage, "./w/builds-1.0.tar.gz\n./w/thing-1.0-py3-none-any.whl\n")
    ended = stage.run(*COMPILE, "r.in", "-o", "pylock.toml")
    written = stage.project / "pylock.toml"
    assert "evil" not in (written.read_text() if written.exists() else "")
    if written.exists():
        assert hashlib.sha256(evil.read_bytes()).hexdigest() not in written.read_text()
    assert (ended.code == 0) == written.exists(), ended.err
    assert what == "other bytes" or ended.code == 77, ended.err


def test_another_hash_than_the_written_one(stage):
    path = wheel(stage)
    stage.policy()
    write(stage, f"thing @ {path.as_uri()}#sha256={'0' * 64}\n")
    ended = stage.run(*COMPILE, "r.in")
    assert (ended.code, ended.out) == (65, ""), ended.err


@pytest.mark.parametrize("what", ["sdist", "folder", "editable"])
@pytest.mark.parametrize("way", ["up", "up by the way", "not as it is", "address", "named"])
def test_out_of_the_mirror(stage, what, way):
    """Above `/` lies `/`, but above the root of the mirror lie folders of others."""
    inside = sdist(stage) if what == "sdist" else folder(stage, "thing")
    stage.policy(BENIGN + 'local-projects = ["."]\n')
    up, place = "../" * (len(stage.project.parts) - 1), str(inside)
    odd = place.replace("/project/", "/./project/")
    text = {
        "up": f"{up}../..{odd}",
        "up by the way": f"./{up}../..{place}",
        "not as it is": odd,
        "address": f"thing @ file://{odd}",
        "named": f"thing @ {up}../..{odd}",
    }[way]
    beside = stage.folder / "tmp" / odd.lstrip("/")  # two folders up from the mirror's root
    if what == "sdist":
        beside.parent.mkdir(parents=True)
        beside.write_bytes(make_sdist("thing", "1.0", marker=stage.folder / "evil", more_pyproject=DYNAMIC))
    else:
        beside.mkdir(parents=True)
        (beside / "setup.py").write_text(f"open({str(stage.folder / 'evil')!r}, 'w')\nraise SystemExit(1)\n")
    if what == "editable" and "@" in text:
        text = text.partition("@ ")[2]
    write(stage, f"{'-e ' if what == 'editable' else ''}{text}\n")
    ended = stage.run(*COMPILE, "r.in")
    assert not (stage.folder / "evil").exists()
    assert ended.code == 64, ended.err
    assert "climbs above the root" in ended.err or "name it by its path" in ended.err


@pytest.mark.parametrize("how", ["source", "member", "absolute member"])
def test_out_of_the_mirror_by_what_a_project_says(stage, how):
    inside = folder(stage, "thing")
    stage.policy(BENIGN + 'local-projects = ["."]\n')
    odd = str(inside).replace("/project/", "/./project/")
    up = "../" * (len(stage.project.parts) - 1) + "../.." + odd
    beside = stage.folder / "tmp" / odd.lstrip("/")
    beside.mkdir(parents=True)
    for name in ("pyproject.toml", "local_backend.py"):
        (beside / name).write_bytes((inside / name).read_bytes())
    text = (beside / "pyproject.toml").read_text().replace("dependencies = []", 'dynamic = ["dependencies"]')
    (beside / "pyproject.toml").write_text(text)
    more = f'[tool.uv.sources]\nthing = {{ path = "{up}" }}\n'
    if how != "source":
        more = "[tool.uv.sources]\nthing = { workspace = true }\n[tool.uv.workspace]\n"
        more += f'members = ["{up if how == "member" else inside}"]\n'
    (stage.project / "pyproject.toml").write_text(
        f'[project]\nname = "app"\nversion = "1"\ndependencies = ["thing"]\n{more}'
    )
    ended = stage.run(*COMPILE, "pyproject.toml")
    assert not stage.marker.exists()
    assert ended.code == 64, ended.err
