"""T33: a run, or its tool, is killed in the middle: the next run finishes it first, whatever lies there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, plain, site
from tests.support.stage import YES
from tests.support.wheels import make_wheel, wheel_name

MANY = {f"big/m{number}.py": f"X = {number}\n" for number in range(2000)}
EVIL = "open(SITE + '/evil.pth', 'w').write('import os; open(%r, \"a\")' % (FOLDER + '/marker'))\n"
WAIT = "import time; open(FOLDER + '/ready', 'w'); time.sleep(60)"


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def tools_of(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_us(stage, condition, *argv):
    """Start a wrapper and kill it, and with it the tool, as soon as the condition holds."""
    with stage.running(*argv) as process:
        until(condition)
        children = tools_of(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not any(map(alive, children)), 10)


def half(stage):
    """Some of the big package lies there, and not all."""
    folder = site(stage) / "big"
    return lambda: folder.exists() and sum(1 for _ in folder.iterdir()) > 5


def big(stage):
    stage.wheel("big", "1.0", YES, files=MANY)
    stage.wheel("good", "1.0", YES)
    stage.policy()


@BOTH
def test_what_was_half_installed_goes_before_the_next_run(stage, tool):
    big(stage)
    kill_us(stage, half(stage), *tool, "big")
    assert not (site(stage) / "big-1.0.dist-info/INSTALLER").exists(), "it was quicker than the test"
    assert stage.leftovers != []
    checked = stage.run("openvet-install", "check", "--environment")
    assert checked.code in (65, 77), checked.out
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert ended.ours[0].startswith(f"openvet: warning: a run in {stage.environment} of ")
    assert "did not come to its end; moved away was what it had half done:" in ended.ours[0]
    assert stage.installed == {"good": "1.0"}
    assert not (site(stage) / "big").exists()
    assert stage.leftovers == []
    assert stage.run("openvet-install", "check", "--environment").code == 0
    assert stage.run(*tool, "big").ours == []
    assert stage.installed == {"big": "1.0", "good": "1.0"}


@pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
def test_what_a_build_left_before_we_could_look(stage, tool):
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", EVIL + WAIT))
    stage.wheel("good", "1.0", YES)
    stage.policy()
    kill_us(stage, (stage.folder / "ready").exists, *tool, "source")
    assert (site(stage) / "evil.pth").exists()
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert "moved away was what it had half done: evil.pth" in ended.ours[0]
    assert not (site(stage) / "evil.pth").exists()
    assert stage.installed == {"good": "1.0"}
    (kept,) = (stage.folder / "state/openvet-install/removed").rglob("evil.pth")
    assert kept.stat().st_mode & 0o077 == 0 or kept.parent.stat().st_mode & 0o077 == 0


def test_what_cannot_be_undone_stops_every_run_until_it_is_gone(stage):
    change = "open(SITE + '/old.py', 'a').write('EVIL = 1')\n"
    stage.wheel("old", "1.0", YES)
    stage.wheel("good", "1.0", YES)
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", change + WAIT))
    stage.policy()
    assert stage.run(*PIP, "--no-compile", "old").code == 0
    kill_us(stage, (stage.folder / "ready").exists, *UV, "source")
    before = everything(stage)
    for tool in (PIP, UV):
        ended = stage.run(*tool, "good")
        assert ended.code == 65, ended.err
        assert "old.py` was changed, and not by a release of it" in ended.err
        assert everything(stage) == before
    (site(stage) / "old.py").unlink()
    ended = stage.run(*PIP, "--force-reinstall", "old")
    assert ended.code == 0, ended.err
    assert (site(stage) / "old.py").read_text() == "NAME = 'old'\n"


def test_configuration_is_put_back(stage):
    for name in ("python3", "python"):  # whichever of them venv made a link to the other
        link = stage.environment / "bin" / name
        real = link.resolve()
        link.unlink()
        link.symlink_to(real)
    change = "import os\nopen(TARGET + '/pyvenv.cfg', 'a').write('include-system-site-packages = true')\n"
    change += "os.remove(TARGET + '/bin/python')\nopen(TARGET + '/bin/python', 'w').write('#!/bin/sh')\n"
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", change + WAIT))
    stage.wheel("good", "1.0", YES)
    stage.policy()
    before = everything(stage)
    kill_us(stage, (stage.folder / "ready").exists, *UV, "source")
    assert everything(stage) != before
    # uv would start the interpreter that was planted, so it is named otherwise here
    ended = stage.run(*PIP, "--python", str(stage.environment / "bin/python3"), "--dry-run", "good")
    assert "did not come to its end" in ended.err
    assert (stage.environment / "pyvenv.cfg").read_bytes() == before["pyvenv.cfg"]


def test_what_people_did_later_is_theirs(stage):
    big(stage)
    kill_us(stage, half(stage), *PIP, "big")
    time.sleep(3)
    wheel = stage.folder / wheel_name("mine", "1.0")
    wheel.write_bytes(make_wheel("mine", "1.0"))
    assert plain(stage, UV, "--no-index", str(wheel)) == 0
    (site(stage) / "own.pth").touch()
    ended = stage.run(*UV, "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "mine": "1.0"}
    assert (site(stage) / "own.pth").exists()
    assert not (site(stage) / "big").exists()


def test_an_environment_that_was_made_anew_has_nothing_of_it(stage):
    from tests.support.stage import make_environment

    big(stage)
    kill_us(stage, half(stage), *UV, "big")
    shutil.rmtree(stage.environment)
    time.sleep(3)
    make_environment(stage.environment)
    ended = stage.run(*UV, "good")
    assert (ended.code, ended.ours) == (0, [])


@BOTH
def test_the_tool_alone_is_killed(stage, tool):
    big(stage)
    with stage.running(*tool, "big") as process:
        until(half(stage))
        for child in tools_of(process.pid):
            os.kill(child, signal.SIGKILL)
        _out, err = process.communicate(timeout=60)
    assert process.returncode == 137, err
    assert "what was half installed was moved to" in err
    assert stage.installed == {}
    assert not (site(stage) / "big").exists()
    assert stage.run(*tool, "big").ours == []
    assert stage.installed == {"big": "1.0"}


def test_ctrl_c_in_the_middle_of_an_install(stage):
    big(stage)
    with stage.running(*PIP, "big") as process:
        until(half(stage))
        os.killpg(process.pid, signal.SIGINT)
        _out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT, err
    assert "openvet: failed, interrupted; nothing installed" in err
    assert stage.installed == {}
    assert stage.leftovers == []


JUST_BEFORE = """
import os, signal, sys, time
from openvet_install.cli import entry
from openvet_install.gate import session

def start(*_):
    os.kill(os.getpid(), signal.{name})
    time.sleep(10)

session.start = start
sys.argv = {argv}
entry.pip()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_just_before_the_tool_starts_leaves_nothing(stage, name):
    """The next run would take what people do in these seconds for what a killed tool has left."""
    big(stage)
    command, _report = stage.command(*PIP, "good")
    code = JUST_BEFORE.format(name=name, argv=command)
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=stage.variables,
        cwd=stage.project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.Signals[name], ended
    left = [one.name for one in (stage.folder / "state" / "openvet-install" / "targets").iterdir()]
    assert [one for one in left if "." in one] == []
    assert stage.leftovers == []
