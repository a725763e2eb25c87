"""`update`: what it brought this project, long walks, an end in the middle of one."""

import os
import pty
import signal
import subprocess
import threading
import time
from datetime import datetime, timezone

import pytest
from uv import find_uv_bin

from tests.support.logsim import START, write_project
from tests.support.stage import BENIGN, NO, PROGRAMS, YES


def lock(stage, *names):
    dependencies = ", ".join(f'"{name}"' for name in names)
    (stage.project / "pyproject.toml").write_text(
        f'[project]\nname = "ours"\nversion = "0.1"\nrequires-python = ">=3.10"\ndependencies = [{dependencies}]\n'
    )
    subprocess.run([find_uv_bin(), "lock", "-q", "--no-cache"], env=stage.variables, cwd=stage.project, check=True)


def update(stage):
    ended = stage.run("openvet-install", "update")
    assert ended.code == 0, ended.err
    return ended.out.splitlines()


WROTE = "wrote openvet.lock, openvet-install.lock"


def test_it_says_what_the_move_brought(stage):
    for name in ("kept", "gone", "turned", "coming"):
        stage.wheel(name, "1.0", YES if name != "coming" else None)
    lock(stage, "kept", "gone", "turned", "coming")
    stage.policy()
    subjects = {one.package: one for one in audited(stage)}
    removed = stage.log.withdraw(subjects["gone"])
    stage.log.update(subjects["turned"], claims=NO)
    turned = stage.log.head
    stage.wheel("coming", "1.0", YES)
    day = datetime.fromtimestamp(START, timezone.utc).date()
    lines = update(stage)
    assert lines[1] == f"{WROTE}; this project: 1 newly approved, 1 contradicted, 1 withdrawn"
    told = [line.split() for line in lines[2:]]
    assert told == [
        ["✘", "pypi:gone@1.0?py3-none-any", "withdrawn", "alice", f"{removed[:12]},", str(day)],
        ["✘", "pypi:turned@1.0?py3-none-any", "contradicted", "alice", f"{turned[:12]},", str(day)],
    ]
    assert update(stage) == [f"alice: nothing new; head {stage.log.head[:12]}"]


def audited(stage):
    from openvet_install.http import Fetcher
    from openvet_install.openvet.log import Log
    from openvet_install.openvet.store import Store

    with Fetcher(environ={}) as fetcher, Store(None) as store:
        log = Log("alice", stage.log.url, fetcher=fetcher, store=store)
        return [one.subject for one in log.everything(stage.log.head)]


def test_first_sight_counts_everything_as_new(stage):
    stage.wheel("goodlib", "1.0", YES)
    lock(stage, "goodlib")
    stage.policy(lock=False)
    assert update(stage)[-1] == f"{WROTE}; this project: 1 newly approved"


def test_the_users_pins_are_moved_by_name(stage):
    """The policy of the user, or of the machine, has logs and pins of its own."""
    stage.policy()
    user = stage.folder / "config" / "openvet"
    user.mkdir(parents=True)
    log = f'[log.{stage.log.name}]\nurl = "{stage.log.url}"\n'
    (user / "openvet-install.toml").write_text(log + BENIGN)
    refused = stage.run("openvet-install", "update", "--machine")
    assert (refused.code, "error: the machine has no policy of its own" in refused.err) == (78, True)
    assert "hint: openvet-install update --user" in stage.run("openvet-pip", "install", "demo").err
    ended = stage.run("openvet-install", "update", "--user")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0].startswith("alice: first sight: verified ")
    assert ended.out.splitlines()[-1] == f"{WROTE} in {user}"
    for name in ("openvet.lock", "openvet-install.lock"):
        assert (user / name).read_bytes() == (stage.project / name).read_bytes()


@pytest.mark.parametrize("more", [False, True], ids=["the pin", "beyond it"])
def test_an_anchor_that_nobody_had_written_down_is_told(stage, more):
    """A pin of OpenVet's own, or a change that took our lock away: what is trusted from now on is said (threat T65)."""
    stage.wheel("demo", "1.0", YES)
    stage.policy()
    (stage.project / "openvet-install.lock").unlink()
    if more:
        stage.wheel("other", "1.0", YES)
    lines = update(stage)
    assert lines[1:] == [
        f"alice: operator {stage.log.operator_fingerprint} (compare it with what alice says)",
        *[one for one in lines[2:] if one.startswith(WROTE)],
    ]
    assert len(lines) == 3
    assert update(stage) == [f"alice: nothing new; head {stage.log.head[:12]}"]


@pytest.mark.parametrize("how", ["no lock", "a broken lock", "a broken target"])
def test_pins_move_although_the_project_cannot_be_judged(stage, how):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    stage.wheel("goodlib", "2.0", YES)
    if how != "no lock":
        lock(stage, "goodlib")
    if how == "a broken lock":
        (stage.project / "uv.lock").write_text("version = 99\n")
    if how == "a broken target":
        stage.variables["VIRTUAL_ENV"] = str(stage.folder / "nowhere")
    assert update(stage)[-1] == WROTE


def test_expect_and_gen_are_told(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy(BENIGN + f'[install.log.alice]\nexpect = "1d"\noperators = ["{stage.log.operator_fingerprint}"]\n')
    stage.log.publish("other", "1")
    (warning, *_rest) = update(stage)
    assert warning.startswith("openvet: warning: alice: its newest commit is ")
    assert 'expect = "1d"' in warning


def grow(stage, commits):
    for number in range(commits):
        stage.log.publish(f"p{number}", "1")


def test_progress_is_one_line_on_a_terminal_only(stage):
    grow(stage, 250)
    stage.policy(lock=False)
    stage.logs.delay = 0.06
    command = [PROGRAMS / "openvet-install", "update"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=stage.variables, cwd=stage.project, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"\ralice: verified 100 of 251 commits" in shown
    assert shown.endswith(b" \r")  # it takes its line away again
    assert b"\r" not in out
    assert out.splitlines()[-1] == WROTE.encode()


def test_killed_in_the_middle_of_a_walk_it_goes_on_from_the_store(stage):
    grow(stage, 1500)
    stage.policy(lock=False)
    stage.logs.delay = 0.004
    process = subprocess.Popen(
        [PROGRAMS / "openvet-install", "update"],
        env=stage.variables, cwd=stage.project, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(stage.logs.requests) < 1900 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (stage.project / "openvet.lock").exists()
    assert not (stage.project / "openvet-install.lock").exists()
    asked = set(stage.logs.requests)
    assert len(asked) < len(stage.log.objects)
    stage.logs.delay = 0
    stage.logs.requests.clear()
    assert update(stage)[-1] == WROTE
    again = asked & set(stage.logs.requests)
    assert len(again) < len(asked) / 2  # rows are written some hundreds at a time
    assert (stage.project / "openvet.lock").exists()


def test_two_updates_at_the_same_time(stage):
    grow(stage, 200)
    stage.policy(lock=False)
    ended = []
    threads = [threading.Thread(target=lambda: ended.append(stage.run("openvet-install", "update"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.code for one in ended] == [0, 0]
    assert update(stage) == [f"alice: nothing new; head {stage.log.head[:12]}"]


def test_it_says_what_can_leave_the_baseline(stage):
    for name in ("kept", "one", "two"):
        stage.wheel(name, "1.0", YES if name == "kept" else None)
    lock(stage, "kept", "one", "two")
    stage.policy()
    assert stage.run("openvet-install", "baseline", "--owner", "me").code == 0
    stage.wheel("one", "1.0", YES)
    assert update(stage)[1] == f"{WROTE}; this project: 1 newly approved, 1 can leave the baseline"
    assert stage.run("openvet-install", "baseline", "--owner", "me").code == 0
    stage.wheel("other", "1.0", YES)
    assert update(stage)[1] == f"{WROTE}; this project: 0 newly approved"


def test_it_says_what_the_move_brought_for_hashed_requirements(stage):
    kept = stage.wheel("kept", "1.0", YES)
    gone = stage.wheel("gone", "1.0", YES)
    coming = stage.wheel("coming", "1.0")
    lines = [f"{name}==1.0 --hash=sha256:{digest}" for name, digest in (("kept", kept), ("coming", coming))]
    lines += [f"gone==1.0 --hash=sha256:{'0' * 64} --hash=sha256:{gone}"]
    (stage.project / "requirements.txt").write_text("\n".join(lines))
    stage.policy()
    subjects = {one.package: one for one in audited(stage)}
    removed = stage.log.withdraw(subjects["gone"])
    stage.wheel("coming", "1.0", YES)
    lines = update(stage)
    assert lines[1] == f"{WROTE}; this project: 1 newly approved, 1 withdrawn"
    assert [line.split()[2:5] for line in lines[2:]] == [["withdrawn", "alice", f"{removed[:12]},"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_hosts_hang_it_ends_at_once_and_leaves_nothing(stage, number):
    grow(stage, 30)
    others = [stage.logs.log(f"other{count}") for count in range(3)]
    write_project(stage.project, [stage.log, *others], BENIGN)
    before = {path.name: path.read_bytes() for path in stage.project.iterdir()}
    stage.log.publish("more", "1")
    stage.logs.delay = 3600
    with stage.running("openvet-install", "update") as process:
        deadline = time.monotonic() + 60
        while len(stage.logs.requests) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, number)
        process.wait(timeout=20)
    assert process.returncode == -number
    assert {path.name: path.read_bytes() for path in stage.project.iterdir()} == before
    assert stage.leftovers == []
    stage.logs.stop()
