"""T31: `--no-build-isolation` runs what lies in the target; nothing of it does before all of it was checked."""

import marshal

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, plain, site, stopped
from tests.support.stage import BENIGN, WARN, YES
from tests.support.wheels import make_wheel, wheel_name


def prepared(stage, compiles="--no-compile"):
    """A release whose backend imports `helper`, which is approved and installed."""
    stage.wheel("helper", "1.0", YES)
    code = backend(stage, "source", "1.0", "pass")
    stage.sdist("source", "1.0", YES, backend="import helper\n" + code, build_requires=["helper"])
    stage.policy()
    assert stage.run(*PIP, compiles, "helper").code == 0


@BOTH
def test_what_is_approved_builds(stage, tool):
    prepared(stage)
    ended = stage.run(*tool, "--no-build-isolation", "source")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert stage.installed == {"helper": "1.0", "source": "1.0"}


@BOTH
def test_a_tampered_helper_never_runs(stage, tool):
    prepared(stage)
    with (site(stage) / "helper.py").open("a") as file:
        file.write(f"open({str(stage.marker)!r}, 'w')\n")
    before = everything(stage)
    ended = stage.run(*tool, "--no-build-isolation", "source")
    stopped(stage, ended, 65, before=before)
    assert "not all of it is approved: helper" in ended.err


@BOTH
def test_tampered_bytecode_that_record_lists_never_runs(stage, tool):
    prepared(stage, "--compile")
    source = site(stage) / "helper.py"
    (bytecode,) = site(stage).glob("__pycache__/helper.*.pyc")
    assert f"__pycache__/{bytecode.name}" in next(site(stage).glob("helper-*/RECORD")).read_text()
    evil = marshal.dumps(compile(f"open({str(stage.marker)!r}, 'w')", source, "exec"))
    bytecode.write_bytes(bytecode.read_bytes()[:16] + evil)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "--no-build-isolation", "source"), 65, before=before)
    ended = stage.run("openvet-install", "check", "--environment")
    assert ended.code == 65, ended.err
    assert "is not what its source compiles to" in ended.out


@BOTH
def test_a_helper_that_nobody_approved_never_runs(stage, tool):
    stage.sdist("source", "1.0", YES, backend="import evil\n" + backend(stage, "source", "1.0", "pass"))
    stage.policy()
    path = stage.folder / wheel_name("evil", "1.0")
    path.write_bytes(make_wheel("evil", "1.0", files={"evil.py": f"open({str(stage.marker)!r}, 'w')\n"}))
    assert plain(stage, UV, "--no-index", str(path)) == 0
    before = everything(stage)
    stopped(stage, stage.run(*tool, "--no-build-isolation", "source"), 77, before=before)


def test_one_package_without_isolation(stage):
    prepared(stage)
    with (site(stage) / "helper.py").open("a") as file:
        file.write(f"open({str(stage.marker)!r}, 'w')\n")
    before = everything(stage)
    stopped(stage, stage.run(*UV, "--no-build-isolation-package", "source", "source"), 65, before=before)


@pytest.mark.parametrize("how", ["variable", "file"])
def test_a_setting_of_pip_is_that_flag(stage, how):
    # To pip the value is that of the isolation: false switches it off.
    prepared(stage)
    env = {"PIP_NO_BUILD_ISOLATION": "false"}
    if how == "file":
        path = stage.folder / "config/pip/pip.conf"
        path.parent.mkdir(parents=True)
        path.write_text("[install]\nno-build-isolation = false\n")
        env = {}
    asked = len(stage.index.asked("/simple/helper/"))
    ended = stage.run(*PIP, "source", env=env)
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert len(stage.index.asked("/simple/helper/")) <= asked + 1  # by the check of the environment
    with (site(stage) / "helper.py").open("a") as file:
        file.write(f"open({str(stage.marker)!r}, 'w')\n")
    before = everything(stage)
    stopped(stage, stage.run(*PIP, "--force-reinstall", "source", env=env), 65, before=before)


@BOTH
@pytest.mark.parametrize("mode", ["block", "warn"])
def test_what_lies_in_other_folders_on_the_path_builds_nothing_unsaid(stage, tool, mode):
    """A user's own site, which an environment with the packages of the system looks into."""
    beside = stage.folder / "home" / ".local/lib" / site(stage).parent.name / "site-packages"
    beside.mkdir(parents=True)
    stage.variables["HOME"] = str(stage.folder / "home")
    settings = stage.environment / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("packages = false", "packages = true"))
    prepared(stage)
    stage.policy(BENIGN if mode == "block" else WARN)
    stage.run("openvet-pip", "uninstall", "-y", "helper")
    (beside / "helper.py").write_text(f"open({str(stage.marker)!r}, 'w')\n")
    before = everything(stage)
    ended = stage.run(*tool, "--no-build-isolation", "source")
    if mode == "block":
        stopped(stage, ended, 77, before=before)
    assert str(beside) in ended.err
    assert "is on the path of that Python as well, and was not looked at" in ended.err
