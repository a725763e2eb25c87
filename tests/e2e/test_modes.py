"""warn, record, cooldown, max-lag and the variables, through the real wrappers (journeys 3 and 6)."""

from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.logsim import write_project
from tests.support.stage import BENIGN, NO, WARN, YES


def aged(days):
    return {"upload_time": (datetime.now(timezone.utc) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")}


@pytest.mark.parametrize("tool", ["openvet-pip install", "openvet-uv pip install"])
def test_record_passes_silence_and_says_so_in_reports_only(stage, tool):
    stage.wheel("silent", "1.0")
    stage.wheel("bad", "1.0", NO)
    stage.policy(BENIGN + 'mode = "record"\n')
    ended = stage.run(*tool.split(), "silent")
    assert (ended.code, ended.ours) == (0, [])
    assert ended.report["outcome"] == "warned"
    assert ended.report["files"][0]["reason"] == "unaudited"
    assert stage.run(*tool.split(), "bad").code == 77


def test_warn_says_what_block_would_do_and_counts_the_baseline(stage):
    stage.wheel("silent", "1.1")
    stage.wheel("silent", "1.0", YES)
    digest = stage.wheel("known", "1.0")
    stage.policy(WARN)
    (stage.project / "openvet.baseline.toml").write_text(
        f'version = 1\n[[release]]\npackage = "known"\nversion = "1.0"\nowner = "o"\n'
        f'until = {(datetime.now(timezone.utc) + timedelta(days=90)).date()}\nhashes = ["sha256:{digest}"]\n'
    )
    ended = stage.run("openvet-pip", "install", "silent", "known")
    assert ended.code == 0, ended.err
    line = (stage.project / "openvet.toml").read_text().splitlines().index('mode = "warn"') + 1
    said = f'(mode = "warn", openvet.toml:{line}); 1 baseline'
    assert ended.ours == [
        f"openvet: warned, 1 of 2 packages is not approved {said}",
        "! pypi:silent@1.1?py3-none-any    unaudited    command line",
        'mode = "block" would withhold it; newest approved: silent 1.0',
    ]
    assert ended.report["baseline"] == {"used": 1, "grown": 0}


def test_warn_says_nothing_of_releases_that_no_index_was_asked_for(stage):
    stage.wheel("silent", "1.0", YES)
    stage.wheel("silent", "1.1")
    stage.policy(WARN)
    write_lock(stage, "silent")
    ended = stage.run("openvet-uv", "sync", "--active")
    assert ended.code == 0, ended.err
    assert ended.ours[1:] == [
        "! pypi:silent@1.1?py3-none-any    unaudited    uv.lock:16",
        'mode = "block" would withhold it',
    ]


@pytest.mark.parametrize("tool", ["openvet-pip install", "openvet-uv pip install"])
def test_the_cooldown_holds_back_in_warn_mode_and_an_audit_lifts_it(stage, tool):
    stage.wheel("lib", "1.0", offered=aged(400))
    stage.wheel("lib", "2.0", offered=aged(1))
    stage.wheel("seen", "2.0", YES, offered=aged(1))
    stage.policy(WARN + 'cooldown = "7d"\n')
    ended = stage.run(*tool.split(), "lib", "seen")
    assert ended.code == 0, ended.err
    assert stage.installed == {"lib": "1.0", "seen": "2.0"}
    assert ended.ours[-1] == "openvet: held back: lib 1.0, newest 2.0 is too-young, 1 day old"


@pytest.mark.parametrize("tool", ["openvet-pip install", "openvet-uv pip install"])
def test_max_lag_refuses_a_silent_fall_and_a_pin_is_none(stage, tool):
    stage.wheel("lib", "1.0", YES, offered=aged(1000))
    stage.wheel("lib", "2.0", offered=aged(1))
    stage.policy()
    ended = stage.run(*tool.split(), "lib")
    assert ended.code == 77
    assert ended.ours[0] == "openvet: blocked, nothing installed; what is approved of lib is too old to fall back to"
    assert ended.ours[-2:] == [
        "hint: openvet audit new 'pypi:lib@2.0?py3-none-any'",
        f"hint: {tool} lib==1.0",
    ]
    assert stage.run(*tool.split(), "lib==1.0").code == 0


@pytest.mark.parametrize("tool", ["openvet-pip install", "openvet-uv pip install"])
def test_what_was_asked_for_to_be_old_is_no_silent_fall(stage, tool):
    """By people, by constraints, by what an approved release asks for, or because the target can take no other."""
    stage.wheel("lib", "1.0", YES, offered=aged(1000))
    stage.wheel("lib", "2.0", offered=aged(1))
    stage.wheel("uses", "1.0", YES, requires=["lib<2"])
    stage.wheel("any", "1.0", YES, requires=["lib"])
    stage.wheel("modern", "1.0", YES, offered=aged(1000))
    stage.wheel("modern", "2.0", offered=aged(1) | {"requires_python": ">=4"})
    stage.policy()
    (stage.project / "c.txt").write_text("lib<2\n")
    for words in (["lib<2"], ["lib", "-c", "c.txt"], ["uses"], ["uses"], ["modern"]):  # the second time from our store
        ended = stage.run(*tool.split(), "--dry-run", *words)
        assert ended.code == 0, ended.err
    for words in (["lib>=1"], ["any"]):
        assert stage.run(*tool.split(), *words).code == 77
    ended = stage.run(*tool.split(), "lib<3", "--openvet-report=json:r.json")
    assert "too old to fall back to" in ended.ours[0]


def test_variables_do_what_the_options_do(stage):
    stage.wheel("silent", "1.0")
    stage.policy()
    report = stage.project / "r.jsonl"
    env = {"OPENVET_INSTALL_MODE": "warn", "OPENVET_INSTALL_REPORT": f"jsonl:{report}"}
    assert stage.run("openvet-install", "explain", "silent", env=env).code == 0
    ended = stage.run("openvet-pip", "install", "silent", env={"OPENVET_INSTALL_MODE": "warn"})
    assert ended.code == 0
    assert ended.report["environment"] == ["OPENVET_INSTALL_MODE"]
    assert 'mode = "warn", OPENVET_INSTALL_MODE' in ended.ours[0]
    away = {"OPENVET_INSTALL_PROJECT": str(stage.folder / "nowhere")}
    assert stage.run("openvet-pip", "install", "silent", env=away).code == 78
    assert stage.run("openvet-pip", "install", "silent", env={"OPENVET_INSTALL_OFFLINE": "perhaps"}).code == 64


def test_the_mode_that_is_told_is_that_of_the_policy_which_forgave(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    bob = stage.logs.log("bob")
    bob.publish("nothing-here", "1", claims={})
    user = write_project(stage.folder / "config" / "openvet", [bob], WARN)
    (user / "openvet.toml").rename(user / "openvet-install.toml")
    ended = stage.run("openvet-pip", "install", "goodlib")
    assert ended.code == 0
    assert 'openvet: warned, 1 of 1 package is not approved (mode = "warn", ' in ended.err
    ended = stage.run("openvet-pip", "install", "--force-reinstall", "goodlib", "--openvet-mode=record")
    assert (ended.code, ended.ours, ended.report["outcome"]) == (0, [], "warned")
