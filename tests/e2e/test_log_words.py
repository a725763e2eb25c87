"""What people read of a log host that lies or is away, word for word (journey 11)."""

from datetime import datetime, timedelta, timezone

import pytest

from openvet_install.gate.state import Looks
from tests.support.stage import BENIGN, YES

EVERY = BENIGN + 'check-every = "0s"\nstale-after = "7d"\n'
PIP = ("openvet-pip", "install", "-q", "fine")


def test_a_rollback_a_fork_and_a_signature(stage):
    stage.wheel("fine", "1.0", YES)
    stage.log.publish("other", "1")
    stage.policy(EVERY)
    pin, shared = stage.log.head, stage.log.commits[-2]
    stage.log.roll_back(1)
    ended = stage.run("openvet-install", "update")
    assert ended.code == 0
    assert ended.out == f"alice: stale; serves {shared[:12]}, 1 commit before the pin; kept {pin[:12]}\n"

    fork = stage.log.fork("fork", at=1)
    for number in range(2):
        fork.publish("evil", str(number))
    stage.log.objects.update(fork.objects)
    stage.log.serve(fork.head)
    ended = stage.run(*PIP)
    assert ended.code == 65
    assert [line.split() for line in ended.ours] == [
        line.split()
        for line in (
            "openvet: invalid, nothing installed, openvet.lock unchanged",
            "✘ alice    log-invalid    forked: the served head does not extend the pin",
            f"└─ pinned {pin[:12]} (2), served {fork.head[:12]} (3), both extend {shared[:12]} (1)",
            "hint: keep openvet.lock and ask the owner of alice which history is theirs",
        )
    ]

    stage.log.repair()
    stage.log.publish("news", "1")
    stranger = stage.log.add_key("ci", ("publisher",))
    stage.log.publish("evil", "1", publisher=stranger)
    bad = stage.log.amend(stage.log.owner, named=stranger)
    ended = stage.run("openvet-install", "update")
    assert ended.code == 65
    first, second = ended.err.splitlines()
    assert first == "openvet: invalid, openvet.lock unchanged"
    assert second.split(None, 3)[:3] == ["✘", "alice", "log-invalid"]
    assert second.split(None, 3)[3] == (
        f"commit 5, {bad[:12]}: signature is made by another key than the one stated "
        f'({stranger.fingerprint[:11]}…, "ci")'
    )


@pytest.mark.parametrize("tool", [("openvet-pip",), ("openvet-uv", "pip")])
def test_a_host_that_has_lost_everything_but_its_head(stage, tool):
    stage.wheel("fine", "1.0", YES)
    stage.policy(EVERY)
    for kind, name in stage.log.objects:
        stage.log.hide(kind, name)
    ended = stage.run(*tool, "install", "-q", "fine")
    assert ended.code == 69
    assert ended.ours[0].startswith("openvet: undecided, nothing installed: ")
    assert f"commit {stage.log.head[:12]} is missing at {stage.log.url}/log/commit/" in ended.ours[0]
    assert ended.report["outcome"] == "undecided"
    stage.log.repair()
    ended = stage.run(*tool, "install", "-q", "fine")
    assert (ended.code, ended.ours) == (0, [])


def test_away_and_away_for_too_long(stage):
    stage.wheel("fine", "1.0", YES)
    mirror = "http://127.0.0.1:9/alice"
    stage.policy(EVERY + f'[install.log.alice]\nmirrors = ["{mirror}"]\n')
    assert stage.run(*PIP, "--dry-run").code == 0
    url, head = stage.log.url, stage.log.head
    stage.logs.stop()
    looks = Looks(stage.folder / "state" / "openvet-install")

    def run(away):
        looks.put(url, pin=head, newest=head, checked=datetime.now(timezone.utc) - away)
        return stage.run(*PIP)

    ended = run(timedelta(hours=3, minutes=1))
    assert f"openvet: warning: alice out of reach for 3 hours, using its last verified head {head[:12]}" in ended.err
    assert ended.code == 0
    ended = run(timedelta(days=8, minutes=1))
    assert ended.code == 69
    assert ended.ours == [
        'openvet: undecided, nothing installed: alice not seen for 8 days, stale-after = "7d"',
        f"└─ {url}: connection refused; {mirror}: connection refused",
    ]
