"""`doctor`: a line for each thing, `!` keeps 0, `✘` ends as a run would."""

import re
import subprocess
import sys

import pytest

from tests.support.stage import YES


def doctor(stage, *more, **options):
    ended = stage.run("openvet-install", "doctor", *more, **options)
    assert not ended.err, ended.err
    return ended.code, ended.out.splitlines()


def good(stage):
    stage.wheel("fine", "1.0", YES)
    stage.policy()


def test_a_good_machine(stage):
    good(stage)
    code, lines = doctor(stage)
    assert code == 0
    tools, logs, provenance, store = (line for line in lines if line.startswith("✓"))
    assert re.fullmatch(
        r"✓ openvet-install \S+, pip 26\.\d\S*? \(ours\), uv 0\.\d+\.\d+ \((ours|first on PATH)\); "
        r"target \S+/environment, CPython 3\.\d+\.\d+",
        tools,
    )
    head = stage.log.head[:12]
    assert re.fullmatch(rf"✓ logs: alice {head}, seen less than a minute ago, newest commit \d{{4}}-\d\d-\d\d", logs)
    assert re.fullmatch(r"✓ provenance: trust root of sigstore \d\S+ newest key of \d{4}-\d\d-\d\d", provenance)
    assert re.match(r"✓ store: [1-9]\d* objects of logs, \d+\.\d [kM]B; 0 package files", store)
    assert lines[-1].startswith(f"! index {stage.index.simple_url}: answers, but lists no pip to look at; no proxy")
    assert lines[-1].endswith("; self-test: a block blocks")


def test_a_newer_head_is_named(stage):
    good(stage)
    pinned = stage.log.head[:12]
    stage.wheel("later", "1.0", YES)
    code, lines = doctor(stage)
    assert code == 0
    assert any(f"alice {pinned} (newest {stage.log.head[:12]})" in line for line in lines)


def test_no_policy_is_78_and_the_rest_is_still_told(stage):
    code, lines = doctor(stage)
    assert code == 78
    assert lines[0].startswith("✘ no policy")
    assert any(line.startswith("✓ openvet-install") for line in lines)
    assert any(line.startswith("✓ store") for line in lines)


def test_a_cache_that_nobody_may_look_into_is_named(stage):
    stage.policy()
    ended = stage.run("openvet-install", "doctor", env={"XDG_CACHE_HOME": f"/{'x' * 300}"})
    assert "cannot be written (File name too long)" in ended.out
    assert "store: 0 objects of logs" in ended.out


def test_a_target_that_is_none_is_64(stage):
    good(stage)
    code, lines = doctor(stage, "--python", "nowhere")
    assert code == 64
    assert any(line.startswith("✘ `--python nowhere`") for line in lines)
    assert any(line.startswith("✓ logs") for line in lines)


def test_a_log_out_of_reach_ends_as_a_run_would(stage):
    good(stage)
    stage.logs.stop()
    code, lines = doctor(stage)
    assert code == stage.run("openvet-pip", "install", "fine").code == 69
    assert any(line.startswith("✘ alice was never seen") for line in lines), lines


def test_a_forked_log_is_65(stage):
    good(stage)
    other = stage.log.fork("other", at=0)
    other.publish("else", "1", claims=YES)
    stage.log.become(other)
    code, lines = doctor(stage)
    assert code == stage.run("openvet-pip", "install", "fine").code == 65
    assert any(line.startswith("✘") and "forked" in line for line in lines), lines


def test_a_uv_that_others_can_write_is_named(stage, tmp_path):
    good(stage)
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\nexit 1\n")
    uv.chmod(0o777)
    path = f"{uv.parent}:{stage.variables['PATH']}"
    code, lines = doctor(stage, env={"PATH": path})
    assert code == 0
    assert any(line.startswith(f"! uv at {uv} is passed over: others can write") for line in lines)


@pytest.mark.parametrize("how", ["key", "pin", "operators", "corrupt", "require", "links"])
def test_the_exit_code_is_that_of_a_run(stage, how):
    good(stage)
    policy = stage.project / "openvet.toml"
    code, said = 78, {"key": "cooldwon", "pin": "no pin", "operators": "other operators", "require": "require"}.get(how)
    said = "is not a folder of yours" if how == "links" else said
    if how == "key":
        policy.write_text(policy.read_text() + "cooldwon = 1\n")
    elif how == "pin":
        (stage.project / "openvet.lock").unlink()
    elif how == "operators":
        key = f"SHA256:{'A' * 43}"
        policy.write_text(policy.read_text() + f'[install.log.alice]\noperators = ["{key}"]\n')
    elif how == "links":
        state = stage.folder / "state" / "openvet-install"
        state.mkdir(mode=0o700, parents=True)
        (state / "targets").symlink_to(stage.folder)
    elif how == "corrupt":
        stage.wheel("later", "1.0", YES)
        stage.log.corrupt("commit", stage.log.head)
        code, said = 65, "commit"
    else:
        policy.write_text(policy.read_text().replace('isolation = "off"', 'isolation = "require"'))
    ended = stage.run("openvet-pip", "install", "fine")
    told, lines = doctor(stage)
    assert told == ended.code, lines
    wrong = [line for line in lines if line.startswith("✘")]
    if how == "require" and not ended.code:  # a network of its own can be had here
        assert wrong == []
        assert any(line.startswith("✓ isolation on") for line in lines)
        return
    assert told == code
    assert len(wrong) == 1
    assert said in wrong[0]


def test_isolation_is_told(stage):
    good(stage)
    _, lines = doctor(stage)
    assert '! isolation off: a policy says isolation = "off"' in lines
    policy = stage.project / "openvet.toml"
    policy.write_text(policy.read_text().replace('isolation = "off"', 'isolation = "auto"'))
    code, lines = doctor(stage)
    (line,) = [one for one in lines if "isolation o" in one]
    assert code == 0
    assert line.startswith(("✓ isolation on: ", "! isolation off: "))
    ended = stage.run("openvet-pip", "install", "fine")
    assert ended.report["isolation"]["state"] == line.split()[2].rstrip(":")


def test_clean_store_needs_no_policy_and_the_next_run_works(stage):
    good(stage)
    assert stage.run("openvet-pip", "install", "fine").code == 0
    files = stage.folder / "cache" / "openvet-install" / "files"
    assert list(files.glob("??/*"))
    code, lines = doctor(stage, "--clean-store")
    assert code == 0
    assert re.fullmatch(r"✓ store: \d+(\.\d [kMG]B| bytes) freed", lines[0])
    assert not list(files.glob("??/*"))
    assert stage.run("openvet-pip", "install", "--force-reinstall", "fine").code == 0


LONG = f"/tmp/{'x' * 300}"
"""As with a folder of another user, nothing can be looked for there: that is true for root, too."""


def test_folders_that_nobody_may_look_into_are_told(stage):
    good(stage)
    code, lines = doctor(stage, env={"XDG_STATE_HOME": LONG, "XDG_CACHE_HOME": LONG})
    assert code == 0
    told = [line.partition("/openvet-install cannot be written (File name too long); ")[2] for line in lines]
    assert [line[:20] for line in told if line] == [
        "nothing is kept for ", "no look at a log is ",
    ]  # fmt: skip
    ended = stage.run("openvet-install", "doctor", "--clean-store", env={"XDG_CACHE_HOME": LONG})
    assert ended.code == 78
    assert ended.err == f"error: cannot be emptied: File name too long\n  --> {LONG}/openvet-install\n"


@pytest.mark.parametrize("tool", [("openvet-pip", "install"), ("openvet-uv", "pip", "install")])
def test_a_run_does_without_them(stage, tool):
    good(stage)
    ended = stage.run(*tool, "fine", env={"XDG_STATE_HOME": LONG, "XDG_CACHE_HOME": LONG})
    assert ended.code == 0, ended.err
    assert stage.installed == {"fine": "1.0"}


@pytest.mark.parametrize(
    ("hashes", "offered", "said"),
    [
        (("sha256",), {"upload_time": "2026-01-01T00:00:00Z"}, "✓ index {}: hashes, upload times; no proxy"),
        ((), {"upload_time": "2026-01-01T00:00:00Z"}, "! index {}: files without sha256, upload times: "),
        (("sha256",), {"upload_time": None}, "! index {}: hashes, no upload times: every file is young for cooldown"),
    ],
)
def test_what_an_index_does_not_tell_is_told(stage, hashes, offered, said):
    stage.wheel("pip", "26.3", offered=offered)
    stage.index.lies.hashes = hashes
    stage.policy()
    code, lines = doctor(stage)
    assert code == 0
    assert lines[-1].startswith(said.format(stage.index.simple_url)), lines[-1]


def test_an_index_out_of_reach_is_a_fault(stage):
    good(stage)
    stage.index.lies.status = 503
    code, lines = doctor(stage)
    assert code == 69
    assert lines[-1].startswith(f"✘ {stage.index.origin} answered with the status 503")


def test_the_self_test_notices_what_is_let_through(stage, tmp_path):
    good(stage)
    program = tmp_path / "run.py"
    program.write_text(
        "from openvet_install.cli import manage, selftest\n"
        "selftest._POLICY += '[install]\\nmode = \"warn\"\\n'\n"
        "manage.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, str(program), "doctor"], cwd=stage.project, env=stage.variables,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 70, ended.stdout + ended.stderr
    assert "✘ self-test: openvet-pip installed a file that nobody approved" in ended.stdout
    assert "✘ self-test: openvet-uv installed a file that nobody approved" in ended.stdout
