"""T58: an exemption forgives silence. A no is lifted by its own name only, and never by a file of a check-out."""

from datetime import datetime, timedelta, timezone

import pytest

from tests.support.stage import BENIGN, NO, YES

OWNER = ("--owner", "oncall@example.com")


def day(ahead):
    return (datetime.now(timezone.utc) + timedelta(days=ahead)).date()


def entry(digest, audit, *, ahead=7, owner="o"):
    return (
        f'\n[[install.exempt]]\npackage = "bad"\nversion = "1.0"\nhashes = ["sha256:{digest}"]\naudit = "{audit}"\n'
        f'owner = "{owner}"\nreason = "a mistake"\nuntil = {day(ahead)}\n'
    )


def user_file(stage):
    path = stage.folder / "config" / "openvet" / "openvet-install.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def bad(stage):
    """A stage with a contradicted release; `bad.no` is the audit that says so."""
    stage.digest = stage.wheel("bad", "1.0")
    subject = stage.log.publish("bad", "1.0", sha256=stage.digest, claims=NO)
    (stage.no,) = (name for kind, name in stage.log.objects if kind == "audit" and stage.log.objects[kind, name])
    stage.subject = subject
    stage.policy()
    return stage


def install(stage, tool="openvet-pip install"):
    return stage.run(*tool.split(), "bad")


@pytest.mark.parametrize("tool", ["openvet-pip install", "openvet-uv pip install"])
def test_the_named_no_is_lifted_for_the_user(bad, tool):
    assert install(bad, tool).code == 77
    user_file(bad).write_text(entry(bad.digest, bad.no))
    ended = install(bad, tool)
    assert ended.code == 0, ended.err
    assert ended.report["files"][0]["reason"] == "exempt"
    assert ended.report["exemptions"]["used"] == 1
    assert bad.installed == {"bad": "1.0"}


def test_a_check_out_lifts_nothing(bad):
    path = bad.project / "openvet.toml"
    path.write_text(path.read_text() + entry(bad.digest, bad.no))
    ended = install(bad)
    assert ended.code == 78
    assert "a no is lifted in the user's or the machine's policy only" in ended.err
    assert bad.installed == {}


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"audit": "f" * 64}, 77),
        ({"digest": "e" * 64}, 77),
        ({"ahead": -1}, 77),
        ({"ahead": 15}, 78),
        ({"owner": ""}, 78),
        ({"audit": "ab"}, 78),
        ({"audit": "*" * 64}, 78),
        ({"audit": ""}, 78),
    ],
)
def test_an_entry_that_is_not_exactly_that_lifts_nothing(bad, what, code):
    user_file(bad).write_text(entry(**{"digest": bad.digest, "audit": bad.no, **what}))
    assert install(bad).code == code
    assert bad.installed == {}


def test_another_no_still_stands(bad):
    user_file(bad).write_text(entry(bad.digest, bad.no))
    assert install(bad).code == 0
    bad.log.update(bad.subject, claims=NO, summary="still bad")
    policy = bad.project / "openvet.toml"
    policy.write_text(policy.read_text() + 'check-every = "0s"\n')
    ended = bad.run("openvet-pip", "install", "--force-reinstall", "bad")
    assert ended.code == 77, ended.err


def test_a_sibling_with_a_no_of_its_own_taints_what_is_lifted(bad):
    other = bad.sdist("bad", "1.0", NO)
    assert other
    bad.policy()
    user_file(bad).write_text(entry(bad.digest, bad.no))
    assert install(bad).code == 77
    assert not bad.marker.exists()


def test_it_is_no_exemption_from_silence(bad):
    bad.log.withdraw(bad.subject)
    bad.policy()
    user_file(bad).write_text(entry(bad.digest, bad.no))
    assert install(bad).code == 77


def test_a_file_that_only_lifts_is_no_policy(bad):
    user_file(bad).write_text(entry(bad.digest, bad.no))
    (bad.project / "openvet.toml").unlink()
    assert install(bad).code == 78
    user_file(bad).write_text('[install]\nmode = "warn"\n' + entry(bad.digest, bad.no))
    ended = install(bad)
    assert ended.code == 77
    assert "no-requirements" in ended.err
    assert ended.err.rstrip().endswith(
        'hint: [requirement] benign = "is-benign"    in that policy, or an override that leaves one'
    )
    explained = bad.run("openvet-install", "explain", "bad")
    assert "hint: [requirement]" in explained.out


def test_exempt_audit_writes_the_entry_where_it_may_stand(bad):
    before = (bad.project / "openvet.toml").read_bytes()
    refused = bad.run("openvet-install", "exempt", "bad==1.0", "--until", "7d", "--reason", "r", *OWNER)
    assert refused.code == 64
    assert f"--audit {bad.no[:12]} lifts this one no" in refused.err
    say = ("--reason", "a mistake", *OWNER)
    lift = ("openvet-install", "exempt", "bad==1.0", "--audit", bad.no[:12])
    assert bad.run(*lift, "--until", "15d", *say).code == 64
    assert bad.run("openvet-install", "exempt", "bad==1.0", "--audit", "f" * 12, "--until", "7d", *say).code == 64
    assert not user_file(bad).exists()
    ended = bad.run(*lift, "--until", "7d", *say)
    assert ended.code == 0, ended.err
    assert ended.out == (
        f"{user_file(bad)}:1: bad 1.0 exempt from the no of alice until {day(7)}, 1 file, owner oncall@example.com\n"
    )
    assert (bad.project / "openvet.toml").read_bytes() == before
    assert install(bad).code == 0
    explained = bad.run("openvet-install", "explain", "bad")
    assert explained.code == 0
    assert f"├─ exempt: lifts audit {bad.no[:12]} until {day(7)}, oncall@example.com: a mistake" in explained.out


def test_the_newest_head_takes_an_approval_back_by_the_no_that_is_lifted(stage):
    digest = stage.wheel("bad", "1.0")
    subject = stage.log.publish("bad", "1.0", sha256=digest, claims=YES)
    stage.policy(BENIGN + 'check-every = "0s"\n')
    no = stage.log.update(subject, claims=NO)
    assert install(stage).code == 77
    user_file(stage).write_text(entry(digest, no))
    assert install(stage).code == 0
