"""T66: `update` moves no pin to a history that parts from the one which was seen here, nor forgets an anchor."""

import hashlib

import pytest

from tests.support.attacks import PIP
from tests.support.stage import BENIGN, NO, YES
from tests.support.wheels import make_wheel

EVERY = BENIGN + 'check-every = "0s"\n'


@pytest.fixture
def seen(stage):
    """A stage whose machine has seen a no beyond the pin, and a fork of its log from the pin on without it."""
    stage.wheel("lib", "1.0", YES)
    stage.policy(EVERY)
    other = stage.log.fork("other")
    other.publish("calm", "1", claims=YES)
    digest = hashlib.sha256(make_wheel("lib", "1.0")).hexdigest()
    stage.log.publish("lib", "1.0", variant="other", sha256=digest, claims=NO)
    assert stage.run(*PIP, "lib").code == 77
    stage.other = other
    return stage


def locks(stage):
    return [(stage.project / name).read_bytes() for name in ("openvet.lock", "openvet-install.lock")]


def test_a_fork_from_what_was_seen(seen):
    before = locks(seen)
    seen.log.become(seen.other)
    assert seen.run(*PIP, "lib").code == 65
    ended = seen.run("openvet-install", "update")
    assert ended.code == 65, ended.out
    assert "forked: the served head does not extend the one seen before" in ended.err
    looks = seen.folder / "state/openvet-install/looks.json"
    assert f"if it is the served one: rm {looks}" in ended.err
    assert locks(seen) == before
    looks.unlink()  # the owner has said so
    assert seen.run("openvet-install", "update").code == 0
    assert seen.run(*PIP, "lib").code == 0


def test_what_extends_it_or_lies_before_it_is_taken(seen):
    middle = seen.log.head
    seen.log.publish("more", "1", claims=YES)
    assert seen.run(*PIP, "lib").code == 77
    seen.log.serve(middle)
    assert seen.run("openvet-install", "update").code == 0
    seen.log.serve(None)
    assert seen.run("openvet-install", "update").code == 0
    assert seen.log.head.encode() in locks(seen)[0]


def test_a_log_of_another_name_at_the_same_url_keeps_its_anchor(seen):
    """Of which a first sight would know nothing."""
    assert seen.run("openvet-install", "update").code == 0
    policy = seen.project / "openvet.toml"
    policy.write_text(policy.read_text().replace("[log.alice]", "[log.acme]"))
    seen.log.become(seen.other)
    ended = seen.run("openvet-install", "update")
    assert ended.code == 65, ended.out
    assert "acme    log-invalid    forked" in ended.err
    seen.log.serve(seen.log.commits[-2])
    ended = seen.run("openvet-install", "update")
    assert "first sight" not in ended.out
