"""The way to green with the real uv: config, baseline, exempt, suggest (journeys 7 and 14)."""

import json
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.indexsim import Reply
from tests.support.stage import BENIGN, NO, YES, validator

OWNER = ("--owner", "platform@example.com")


def today():
    return datetime.now(timezone.utc).date()


@pytest.fixture
def locked(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    for name in ("one", "two", "three"):
        stage.wheel(name, "1.0")
    write_lock(stage, "goodlib", "bad", "one", "two", "three")
    stage.policy()
    return stage


def baseline(stage, *more):
    return stage.run("openvet-install", "baseline", *OWNER, *more)


def text_of(stage):
    return (stage.project / "openvet.baseline.toml").read_text()


def test_a_baseline_takes_what_is_silent_and_refuses_a_no(locked):
    ended = baseline(locked, "--report=json:r.json")
    assert ended.code == 77, ended.err
    monday = today() + timedelta(days=70)
    monday += timedelta(days=-monday.weekday() % 7)
    last = monday + timedelta(days=14)
    assert ended.out.splitlines() == [
        f"wrote openvet.baseline.toml: 3 releases, 3 files; 1 ends each week, {monday} to {last}",
        "✘ pypi:bad@1.0?py3-none-any    contradicted    not taken, decide it by hand",
    ]
    report = json.loads((locked.project / "r.json").read_text())
    validator().validate(report)
    assert report["baseline"] == {"used": 3, "grown": 3}
    checked = locked.run("openvet-install", "check")
    assert checked.code == 77
    assert checked.err == "Summary: 1 passed, 1 failed, 0 unaudited, 1 skipped, 3 baseline\n"
    assert locked.run("openvet-uv", "pip", "install", "one").code == 0
    assert locked.run("openvet-uv", "pip", "install", "bad").code == 77


def test_a_baseline_run_again_is_the_same_and_only_shrinks(locked):
    baseline(locked)
    first = text_of(locked)
    baseline(locked)
    assert text_of(locked) == first
    locked.wheel("four", "1.0")
    write_lock(locked, "goodlib", "bad", "one", "four")
    ended = baseline(locked)
    assert "1 release not in it: a baseline only shrinks, unless --grow\n" in ended.out
    assert "; 2 left it" in ended.out
    assert 'package = "one"' in text_of(locked)
    assert "four" not in text_of(locked)
    assert locked.run("openvet-install", "check").code == 77
    kept = text_of(locked).partition("[[release]]")[2]
    ended = baseline(locked, "--grow", "--report=json:r.json")
    assert json.loads((locked.project / "r.json").read_text())["baseline"]["grown"] == 1
    assert kept in text_of(locked)
    assert 'package = "four"' in text_of(locked)


def test_a_look_alike_under_a_name_of_the_baseline_is_not_known(locked):
    baseline(locked)
    other = locked.project / "requirements.txt"
    other.write_text(f"one==1.0 --hash=sha256:{'ab' * 32}\n")
    assert locked.run("openvet-install", "check", "requirements.txt").code == 77


def test_a_baseline_of_yesterday_forgives_nothing_and_one_that_ends_soon_warns(locked):
    baseline(locked)
    path = locked.project / "openvet.baseline.toml"
    lines = [line for line in text_of(locked).splitlines() if line.startswith("until")]
    soon = today() + timedelta(days=12)
    path.write_text(text_of(locked).replace(lines[0], f"until = {soon}"))
    ended = locked.run("openvet-install", "check", "--report=github")
    number = text_of(locked).splitlines().index("[[release]]") + 1
    assert f"::warning file=openvet.baseline.toml,line={number},title=baseline::one 1.0 ends on {soon} (12 days)" in (
        ended.out.replace("project/", "")
    )
    told = locked.run("openvet-install", "check").err
    assert f"openvet: warning: baseline: one 1.0 ends on {soon} (12 days), openvet.baseline.toml:{number}" in told
    path.write_text(text_of(locked).replace(f"until = {soon}", f"until = {today() - timedelta(days=1)}"))
    assert "2 baseline" in locked.run("openvet-install", "check").err
    assert "1 unaudited" in locked.run("openvet-install", "check").err


@pytest.mark.parametrize("text", ["version = 2\n", "nonsense", 'version = 1\n[[release]]\npackage = "x"\n'])
def test_a_baseline_that_cannot_be_read_is_78(locked, text):
    (locked.project / "openvet.baseline.toml").write_text(text)
    assert locked.run("openvet-install", "check").code == 78
    assert locked.run("openvet-uv", "pip", "install", "goodlib").code == 78


# -- exempt


def exempt(stage, what, *more):
    return stage.run("openvet-install", "exempt", what, "--reason", "CVE fix", *more)


def test_an_exemption_is_written_bound_to_hashes_and_ends(locked):
    policy = locked.project / "openvet.toml"
    policy.write_text(policy.read_text() + "# a comment\n")
    ended = exempt(locked, "one==1.0", "--until", "14d", *OWNER)
    end = today() + timedelta(days=14)
    line = policy.read_text().splitlines().index("[[install.exempt]]") + 1
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"openvet.toml:{line}: one 1.0 exempt until {end}, 1 file, owner platform@example.com\n"
    assert "# a comment\n" in policy.read_text()
    assert locked.run("openvet-uv", "pip", "install", "one").code == 0
    checked = locked.run("openvet-install", "check")
    assert checked.err.splitlines()[-1] == "Summary: 1 passed, 1 failed, 2 unaudited, 1 skipped, 1 exempt"
    assert f"openvet: warning: exempt: one 1.0 ends on {end} (14 days), openvet.toml:{line}" in checked.err


def test_a_policy_that_is_a_link_stays_one(locked):
    policy, kept = locked.project / "openvet.toml", locked.project / "shared.toml"
    policy.rename(kept)
    policy.symlink_to(kept)
    assert exempt(locked, "one==1.0", "--until", "14d", *OWNER).code == 0
    assert policy.is_symlink()
    assert "[[install.exempt]]" in kept.read_text()


@pytest.mark.parametrize("last", [b"", b"\r\n"])
def test_a_policy_keeps_its_ends_of_lines(locked, last):
    policy = locked.project / "openvet.toml"
    before = policy.read_bytes().strip().replace(b"\n", b"\r\n") + last
    policy.write_bytes(before)
    ended = exempt(locked, "one==1.0", "--until", "14d", *OWNER)
    assert ended.code == 0, ended.err
    after = policy.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == after.count(b"\r\n") > before.count(b"\n")
    line = after.split(b"\r\n").index(b"[[install.exempt]]") + 1
    assert ended.out.startswith(f"openvet.toml:{line}: ")


def test_two_exemptions_at_once_are_both_written(locked):
    words = ("--until", "14d", *OWNER, "--reason", "x")
    with locked.running("openvet-install", "exempt", "one==1.0", *words) as first:
        assert exempt(locked, "two==1.0", *words[:-2]).code == 0
        assert first.wait() == 0
    assert locked.project.joinpath("openvet.toml").read_text().count("[[install.exempt]]") == 2


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("bad==1.0", ("--until", "14d", *OWNER)),
        ("one", ("--until", "14d", *OWNER)),
        ("one==1.0", ("--until", "2y", *OWNER)),
        ("one==1.0", ("--until", "yesterday", *OWNER)),
        ("one==1.0", ("--until", "14d", "--owner", "")),
        ("one==9.0", ("--until", "14d", *OWNER)),
        ("one==1.0", ("--until", "14d", "--audit", "ab", *OWNER)),
    ],
)
def test_an_exemption_that_may_not_be_changes_nothing(locked, what, more):
    before = (locked.project / "openvet.toml").read_bytes()
    ended = exempt(locked, what, *more)
    assert ended.code == 64, ended.err
    assert ended.err.startswith("error: ")
    assert (locked.project / "openvet.toml").read_bytes() == before


@pytest.mark.parametrize("what", ["One==1", "one==1.0.0", "one==v1.0"])
def test_a_release_may_be_spelled_as_for_pip(locked, what):
    ended = exempt(locked, what, "--until", "14d", *OWNER)
    assert ended.code == 0, ended.err
    assert 'package = "one"\nversion = "1.0"\n' in (locked.project / "openvet.toml").read_text()


def test_an_exemption_needs_sdist_said_for_an_sdist(stage):
    stage.sdist("onlysource", "1.0")
    stage.policy()
    assert exempt(stage, "onlysource==1.0", "--until", "14d", *OWNER).code == 64
    assert exempt(stage, "onlysource==1.0", "--until", "14d", "--sdist", *OWNER).code == 0
    assert "sdist = true" in (stage.project / "openvet.toml").read_text()


def test_an_exemption_goes_where_install_stands(stage):
    stage.wheel("one", "1.0")
    stage.policy()
    whole = (stage.project / "openvet.toml").read_text()
    head, mark, tail = whole.partition("[install]")
    (stage.project / "openvet.toml").write_text(head)
    (stage.project / "openvet-install.toml").write_text(mark + tail)
    assert exempt(stage, "one==1.0", "--until", "14d", *OWNER).out.startswith("openvet-install.toml:")
    assert (stage.project / "openvet.toml").read_text() == head


def test_an_exemption_that_nothing_needs_is_named(locked):
    exempt(locked, "one==1.0", "--until", "90d", *OWNER)
    write_lock(locked, "goodlib", "two")
    assert "openvet: warning: nothing here needs the exemption at openvet.toml:" in (
        locked.run("openvet-install", "check").err
    )


# -- suggest


def test_suggest_orders_by_what_costs_least(locked):
    locked.wheel("one", "0.9", YES)
    locked.policy()
    ended = locked.run("openvet-install", "suggest")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("openvet audit new 'pypi:one@1.0?py3-none-any'")
    assert lines[0].endswith("runtime    diff to 0.9, audited")
    assert [line.split("@")[0] for line in lines[1:]] == [
        "openvet audit new 'pypi:two",
        "openvet audit new 'pypi:three",
    ]
    assert "bad" not in ended.out


def test_suggest_reads_a_log_without_pinning_it(locked):
    bob = locked.logs.log("bob")
    before = sorted((path.name, path.read_bytes()) for path in locked.project.iterdir() if path.is_file())
    report = locked.run("openvet-install", "check", "--report=json").out
    subjects = [one["subject"] for one in json.loads(report)["withheld"]]
    for subject in subjects:
        name = subject.partition("@")[0].removeprefix("pypi:")
        digest = subject.rpartition(":")[2]
        if name in ("one", "two"):
            bob.publish(name, "1.0", sha256=digest, claims=YES if name == "one" else NO)
    ended = locked.run("openvet-install", "suggest", "--log", bob.url)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[3:] == ["bob would approve 1 of 3 (1 runtime) and contradicts two 1.0"]
    assert sorted((path.name, path.read_bytes()) for path in locked.project.iterdir() if path.is_file()) == before


def test_suggest_reads_all_candidates_at_once_and_tells_those_that_answer(locked):
    logs = [locked.logs.log(name) for name in ("bob", "carol")]
    for log in logs:
        log.publish("nothing-here", "1", claims={})
    assert locked.run("openvet-install", "suggest").code == 0
    meeting = locked.logs.meet(2)
    ended = locked.run("openvet-install", "suggest", *(word for log in logs for word in ("--log", log.url)))
    assert ended.code == 0, ended.err
    assert meeting.all_came


def test_suggest_counts_what_carrying_would_cover(locked):
    locked.wheel("one", "1.0", YES, tag="py2-none-any")
    locked.wheel("two", "1.0", YES, tag="py2-none-any", files={"two.py": "OTHER = 1\n"})
    locked.policy()
    ended = locked.run("openvet-install", "suggest")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[3:] == ['carry = "content" would approve 1 of 3 (1 runtime)']
    locked.policy(BENIGN + 'carry = "content"\n')
    ended = locked.run("openvet-install", "suggest")
    assert len(ended.out.splitlines()) == 2, ended.out
    assert "@" in ended.out


def test_suggest_says_so_where_nothing_can_be_compared(locked):
    locked.wheel("one", "1.0", YES, tag="py2-none-any")
    locked.policy()
    locked.index.lies.at_request = lambda _number, _path: Reply(503)
    for more in ((), ("--log", locked.log.url)):
        ended = locked.run("openvet-install", "suggest", *more)
        assert ended.code == 0, ended.err
        assert 'carry = "content" could approve more: files to compare are out of reach' in ended.out


def test_suggest_counts_what_a_candidate_would_carry(locked):
    bob = locked.logs.log("bob")
    digest = locked.wheel("one", "1.0", tag="py2-none-any")
    bob.publish("one", "1.0", variant="py2-none-any", sha256=digest, claims=YES)
    ended = locked.run("openvet-install", "suggest", "--log", bob.url)
    assert ended.code == 0, ended.err
    told = 'bob would approve 0 of 3 (0 runtime), carry = "content" 1 more, and contradicts none'
    assert ended.out.splitlines()[3:] == [told]


def test_suggest_tells_those_that_answer_before_it_stops_for_one_that_does_not(locked):
    bob = locked.logs.log("bob")
    bob.publish("nothing-here", "1", claims={})
    ended = locked.run("openvet-install", "suggest", "--log", "http://127.0.0.1:9/gone", "--log", bob.url)
    assert ended.code == 69, ended.err
    assert ended.out.splitlines()[3:] == ["bob would approve 0 of 3 (0 runtime) and contradicts none"]


# -- config


def test_config_says_which_line_said_what(locked):
    user = locked.folder / "config" / "openvet"
    user.mkdir(parents=True)
    (user / "config.toml").write_text('[guard]\nstrict = true\nexclude = ["~/src"]\n')
    path = locked.project / "openvet.toml"
    path.write_text(path.read_text() + 'mode = "block"\n')
    ended = locked.run("openvet-install", "config", env={"OPENVET_INSTALL_MODE": "warn"})
    assert ended.code == 0, ended.err
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    line = path.read_text().splitlines().index('mode = "block"') + 1
    assert lines[0].startswith("project: openvet.toml, openvet.lock")
    assert f'mode = "warn" OPENVET_INSTALL_MODE (openvet.toml:{line}: "block")' in lines
    assert 'stale-after = "7d" default' in lines
    assert any(one.startswith("log.alice.url = ") for one in lines)
    assert 'guard.strict = true guard.exclude = ["~/src"]' in lines


def test_config_shows_no_login(locked):
    path = locked.project / "openvet.toml"
    path.write_text(
        path.read_text().replace("[install]", '[install.log.alice]\nmirrors = ["https://u:secret@h/x"]\n[install]')
    )
    ended = locked.run("openvet-install", "config")
    assert ended.code == 0, ended.err
    assert "secret" not in ended.out


@pytest.mark.parametrize("kind", ["fifo", "folder", "latin"])
def test_a_policy_that_is_no_text_file_is_refused_at_once(stage, kind):
    path = stage.project / "openvet.toml"
    if kind == "fifo":
        subprocess.run(["mkfifo", str(path)], check=True)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(BENIGN.encode() + b"# \xe9\n")
    ended = stage.run("openvet-install", "config")
    assert ended.code == 78, ended.err
    assert stage.run("openvet-pip", "install", "x").code == 78


def test_a_policy_from_a_shared_folder_above_is_not_taken(stage):
    stage.policy()
    inner = stage.project / "inner"
    inner.mkdir()
    stage.project.chmod(0o1777)
    ended = subprocess.run(
        [stage.command("openvet-install", "config")[0][0], "config"], cwd=inner, env=stage.variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 78
    assert "everybody can write" in ended.stderr
    stage.project.chmod(0o777)
    ended = stage.run("openvet-install", "config")
    assert ended.code == 0
    assert "everybody can write" in ended.out
