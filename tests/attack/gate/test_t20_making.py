"""T20: `uv build` and `uv venv --seed` resolve, download and run hooks: all that they take comes through the gate."""

import hashlib
import sys

import pytest

from tests.support.attacks import everything, evil_sdist, stopped
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_sdist

BUILD = ("openvet-uv", "build")
LOCAL = BENIGN + 'local-projects = ["."]\n'
BACKEND = """\
import helper, os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    helper.used(repr(config_settings))
    name = "own-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.writestr("own.py", "")
        archive.writestr("own-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n")
        archive.writestr("own-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr("own-1.0.dist-info/RECORD", "")
    return name
"""


def project(stage, requires="helper", more=""):
    (stage.project / "pyproject.toml").write_text(
        f'[project]\nname = "own"\nversion = "1.0"\n\n[build-system]\nrequires = ["{requires}"]\n'
        f'build-backend = "backend"\nbackend-path = ["."]\n{more}'
    )
    (stage.project / "backend.py").write_text(BACKEND)


def helper(stage, claims=None):
    code = f"def used(text):\n    open({str(stage.marker)!r}, 'a').write(text)\nused('import')\n"
    stage.wheel("helper", "1.0", claims, files={"helper.py": code})


def test_an_approved_backend_builds(stage):
    helper(stage, YES)
    stage.policy(LOCAL)
    project(stage)
    before = everything(stage)
    ended = stage.run(*BUILD, "--wheel", "-C", "a=b")
    assert (ended.code, [line for line in ended.ours if "note" not in line]) == (0, []), ended.err
    assert (stage.project / "dist/own-1.0-py3-none-any.whl").exists()
    assert "'a': 'b'" in stage.marker.read_text()
    assert everything(stage) == before
    assert stage.run(*BUILD, "--wheel", "-o", "out", ".").code == 0
    assert (stage.project / "out/own-1.0-py3-none-any.whl").exists()


def test_a_backend_that_nobody_approved_never_runs(stage):
    helper(stage)
    stage.policy(LOCAL)
    project(stage)
    before = everything(stage)
    ended = stage.run(*BUILD, "--wheel")
    stopped(stage, ended, 77, before=before)
    assert "✘ pypi:helper@1.0?py3-none-any    unaudited" in ended.err
    assert not list(stage.project.glob("dist/*.whl"))


def test_folders_that_are_not_ours_and_archives_of_others_are_not_built(stage):
    helper(stage, YES)
    stage.policy(BENIGN.replace("[install]", '[install]\nlocal-projects = ["inside"]'))
    project(stage)
    before = everything(stage)
    stopped(stage, stage.run(*BUILD), 64, before=before)
    stopped(stage, stage.run(*BUILD, str(evil_sdist(stage))), 77, before=before)
    stopped(stage, stage.run(*BUILD, "--all-packages"), 64, before=before)
    stopped(stage, stage.run(*BUILD, "--package", "own"), 64, before=before)
    for words in (["none.tar.gz"], ["backend.py"], ["--package", "none"], ["--package", "own", "inside"]):
        assert stage.run(*BUILD, *words).code in (2, 64), words
    assert everything(stage) == before


def workspace(stage, requires="helper", more=""):
    """A root that is built, and a member that is built with a backend of its own."""
    project(stage, "helper", '[tool.uv.workspace]\nmembers = ["inner"]\n')
    (stage.project / "inner").mkdir()
    text = (stage.project / "pyproject.toml").read_text().partition("[tool")[0].replace('"own"', '"inner"')
    (stage.project / "inner/pyproject.toml").write_text(text.replace("helper", requires) + more)
    (stage.project / "inner/backend.py").write_text(BACKEND.replace("own", "inner"))


def test_members_of_a_workspace(stage):
    helper(stage, YES)
    stage.policy(LOCAL)
    workspace(stage)
    ended = stage.run(*BUILD, "--wheel", "--package", "inner")
    assert ended.code == 0, ended.err
    assert {one.name for one in (stage.project / "dist").glob("*.whl")} == {"inner-1.0-py3-none-any.whl"}
    ended = stage.run(*BUILD, "--wheel", "--all-packages", "-o", "out")
    assert ended.code == 0, ended.err
    built = {one.name for one in (stage.project / "out").glob("*.whl")}
    assert built == {"inner-1.0-py3-none-any.whl", "own-1.0-py3-none-any.whl"}


@pytest.mark.parametrize("words", [["--package", "inner"], ["--all-packages"]], ids=" ".join)
@pytest.mark.parametrize("kind", ["unaudited", "direct", "source"])
def test_what_members_are_built_with(stage, words, kind):
    path = evil_sdist(stage)
    helper(stage, YES)
    stage.sdist("evil", "1.0")
    stage.policy(LOCAL)
    more = f'[tool.uv.sources]\nevil = {{ path = "{path}" }}\n' if kind == "source" else ""
    workspace(stage, f"evil @ {path.as_uri()}" if kind == "direct" else "evil", more)
    before = everything(stage)
    ended = stage.run(*BUILD, "--wheel", *words)
    assert ended.code in (64, 77), ended.err
    said = stage.marker.read_text() if stage.marker.exists() else ""  # of the approved helper of the root alone
    assert said.replace("import", "").replace("None", "").replace("{}", "") == ""
    assert not list(stage.project.glob("dist/inner*"))
    assert everything(stage) == before


@pytest.mark.parametrize("named", ["dist/source-1.0.tar.gz", "source-1.0.tar.gz"])
def test_an_sdist_that_is_approved_is_built_beside_it(stage, named):
    stage.wheel("tool", "1.0", YES)
    raw = make_sdist("source", "1.0", marker=stage.marker, build_requires=["tool"])
    stage.log.publish("source", "1.0", variant="sdist", sha256=hashlib.sha256(raw).hexdigest(), claims=YES)
    stage.policy()
    place = stage.project / named
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(raw)
    ended = stage.run(*BUILD, "--wheel", named)
    assert ended.code == 0, ended.err
    assert stage.marker.exists()
    assert (place.parent / "source-1.0-py3-none-any.whl").exists()
    assert stage.run(*BUILD, "--wheel", named, "-o", "out").code == 0
    assert (stage.project / "out/source-1.0-py3-none-any.whl").exists()
    stage.marker.unlink()
    place.write_bytes(raw + b"\0")
    assert stage.run(*BUILD, "--wheel", named).code == 77
    assert not stage.marker.exists()
    assert stage.leftovers == []


@pytest.mark.parametrize("kind", ["direct", "source", "constraint", "links"])
def test_detours_of_a_build(stage, kind):
    path = evil_sdist(stage)
    helper(stage, YES)
    stage.policy(LOCAL)
    uri, argv = path.as_uri(), ["--wheel"]
    if kind == "direct":
        project(stage, f"evil @ {uri}")
    elif kind == "source":
        project(stage, "evil", f'[tool.uv.sources]\nevil = {{ path = "{path}" }}\n')
    elif kind == "constraint":
        project(stage, "evil")
        (stage.project / "c.txt").write_text(f"evil @ {uri}\n")
        argv += ["-b", "c.txt"]
    else:
        project(stage, "evil")
        argv += ["--find-links", str(path.parent)]
    before = everything(stage)
    stopped(stage, stage.run(*BUILD, *argv), 64, 77, before=before)


def test_without_isolation_only_what_is_approved(stage):
    helper(stage, YES)
    stage.policy(LOCAL)
    project(stage)
    assert stage.run("openvet-pip", "install", "--no-compile", "helper").code == 0
    (place,) = stage.environment.glob("lib/python*/site-packages/helper.py")
    with place.open("a") as file:
        file.write("used('evil')\n")
    before = everything(stage)
    ended = stage.run(*BUILD, "--wheel", "--no-build-isolation")
    stopped(stage, ended, 65, before=before)


VENV = ("openvet-uv", "venv")


def seeds(stage, claims=YES):
    stage.wheel("pip", "99.0", claims, files={"pip/__init__.py": "", "pip/__main__.py": "print('seeded')\n"})
    for name in ("setuptools", "wheel"):
        stage.wheel(name, "99.0", claims)


def test_seeds_are_gated(stage):
    seeds(stage)
    stage.policy()
    ended = stage.run(*VENV, "--seed", "new")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert list((stage.project / "new").glob("lib/python*/site-packages/pip/__main__.py"))
    again = stage.run(*VENV, "--seed", "--clear", "new")
    assert (again.code, again.ours) == (0, []), again.err


def test_seeds_that_nobody_approved_are_not_installed(stage):
    seeds(stage, None)
    stage.policy()
    ended = stage.run(*VENV, "--seed", "new")
    assert ended.code == 77, ended.err
    assert not list((stage.project / "new").glob("lib/python*/site-packages/pip*"))


def test_seeds_into_an_environment_that_is_there(stage):
    """What lies in it stays and is compared; what nobody approved does not come beside it."""
    seeds(stage, None)
    stage.wheel("good", "1.0", YES)
    stage.policy()
    assert stage.run("openvet-uv", "pip", "install", "good").code == 0
    before = everything(stage)
    place = str(stage.environment)
    ended = stage.run(*VENV, "--seed", "--allow-existing", place)
    assert ended.code == 77, ended.err
    packages = {path: raw for path, raw in before.items() if "site-packages" in path}
    assert {path: raw for path, raw in everything(stage).items() if "site-packages" in path} == packages
    seeds(stage)
    stage.policy()
    ended = stage.run(*VENV, "--seed", "--allow-existing", place)
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert {"good", "pip"} <= set(stage.installed)
    assert stage.run("openvet-install", "check", "--environment").code == 0
    assert stage.run(*VENV, "--seed", "--allow-existing", "brandnew").code == 0
    assert stage.leftovers == []


def test_an_environment_that_is_no_longer_what_it_was(stage):
    """Its Python leads elsewhere: to our own environment, or to another folder than the one that was named."""
    seeds(stage)
    stage.policy()
    place = stage.project / "odd"
    (place / "bin").mkdir(parents=True)
    (place / "bin/python").symlink_to(sys.executable)
    before = everything(stage)
    ended = stage.run(*VENV, "--seed", "--allow-existing", "odd")
    assert ended.code in (64, 78), ended.err
    assert everything(stage) == before
    assert not list(place.glob("lib"))


def test_without_seeds_nothing_is_asked(stage):
    seeds(stage)
    ended = stage.run(*VENV, "new")
    assert ended.code == 0, ended.err
    assert (stage.project / "new/bin/python").exists()
    assert not stage.index.requests
    ended = stage.run(*VENV, "other", env={"UV_VENV_SEED": "1"})
    assert ended.code == 64
    assert not (stage.project / "other").exists()
    assert stage.run(*VENV, "--no-such-option", "other").code == 64
