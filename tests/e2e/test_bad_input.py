"""Bad input: a clear message, the exit code of its kind, nothing left behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.stage import BENIGN, WARN, YES

PIP = ("openvet-pip", "install")
UV = ("openvet-uv", "pip", "install")
BOTH = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])


@BOTH
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            BENIGN + 'cooldwon = "3d"\n',
            ["error: unknown key `cooldwon`", "  --> openvet.toml:9, key `install.cooldwon`",
             "hint: did you mean `cooldown`?"],
        ),
        ("[requirement\n", ["error: not TOML", "  --> openvet.toml:4"]),
        ('[requirement]\nbenign = "is-benign and"\n', ["expression: unexpected end", "    is-benign and", " ^"]),
    ],
    ids=["key", "toml", "expression"],
)  # fmt: skip
def test_a_bad_policy_is_78_with_its_place(stage, tool, text, words):
    stage.policy(text)
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 78
    for word in words:
        assert word in ended.err
    assert stage.index.requests == []
    assert ended.report["outcome"] == "failed"


@BOTH
def test_an_unknown_flag_stops_and_is_named(stage, tool):
    stage.policy()
    ended = stage.run(*tool, "--no-such-flag", "goodlib")
    assert ended.code == 64
    assert "--no-such-flag" in ended.err
    assert stage.index.requests == []


@BOTH
def test_an_unknown_option_of_ours_names_the_nearest(stage, tool):
    stage.policy()
    ended = stage.run(*tool, "--openvet-mod=warn", "goodlib")
    assert ended.code == 64
    assert "--openvet-mode" in ended.err


@pytest.mark.parametrize("tool", ["openvet-pip install goodlib", "openvet-uv sync", "openvet-install check"])
def test_an_unknown_variable_of_ours_stops_and_names_the_nearest(stage, tool):
    stage.wheel("goodlib", "1.0")
    stage.policy(WARN)
    ended = stage.run(*tool.split(), env={"OPENVET_INSTALL_MOD": "block"})
    assert ended.code == 64, ended.err
    assert "error: unknown variable `OPENVET_INSTALL_MOD`\nhint: did you mean `OPENVET_INSTALL_MODE`?" in ended.err
    assert stage.installed == {}


@pytest.mark.parametrize(
    ("typed", "told", "hint"),
    [
        ("openvet-install chekc", "`chekc` is not a command of openvet-install", "did you mean `check`?"),
        ("openvet-install zzz", "`zzz` is not a command of openvet-install", "openvet-install --help"),
        ("openvet-install check --al-files", "`check` does not take `--al-files`", "did you mean `--all-files`?"),
        ("openvet-install check --zzz", "`check` does not take `--zzz`", "openvet-install check --help"),
        ("openvet-install exec pip list", "the command of `exec` stands behind", "openvet-install exec -- pip list"),
        ("openvet-install exec --openvet-mode=warn -- pip", "`exec` does not take", "did you mean `--mode`?"),
        ("openvet-install completion tcsh", "`tcsh` is not a SHELL of", "bash | zsh | fish"),
        ("openvet-pip isntall x", "`isntall` is not a command of pip", "did you mean `install`?"),
        ("openvet-uv pip instal x", "`uv pip instal` is not a command of uv", "did you mean `uv pip install`?"),
        ("openvet-uv synk", "`uv synk` is not a command of uv", "did you mean `uv sync`?"),
        ("openvet-install explain nothing-of-it", "no index lists a file of nothing-of-it", None),
        ("openvet-install check pyproject.toml", "not the name of a lock", ".txt files with hashes are"),
    ],
)
def test_a_slip_of_the_pen_is_64_with_what_was_probably_meant(stage, typed, told, hint):
    stage.policy(WARN)
    ended = stage.run(*typed.split())
    assert ended.code == 64, ended.err
    assert f"error: {told}" in ended.err
    assert hint is None or ended.err.rstrip().endswith(hint)
    assert "Traceback" not in ended.err


@BOTH
def test_an_unwritable_report_is_64_before_all_else(stage, tool):
    stage.policy()
    ended = stage.run(*tool, "goodlib", "--openvet-report=json:/no/such/folder/r.json")
    assert ended.code == 64
    assert stage.index.requests == []


@BOTH
def test_an_unreachable_log_is_69(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    stage.log.down = 503
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 69
    assert ended.ours[0].startswith("openvet: undecided, nothing installed: alice")
    assert "503" in ended.err
    assert stage.installed == {}
    assert ended.report["outcome"] == "undecided"


@BOTH
def test_a_log_seen_lately_may_be_away(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy(BENIGN + 'check-every = "0s"\n')
    assert stage.run(*tool, "goodlib").code == 0
    stage.log.down = 503
    flag = "--force-reinstall" if tool is PIP else "--reinstall"
    ended = stage.run(*tool, flag, "goodlib")
    assert ended.code == 0
    assert ended.ours[0].startswith("openvet: warning: alice out of reach for ")
    assert ended.ours[0].endswith(f"using its last verified head {stage.log.head[:12]}")


@BOTH
def test_an_unreachable_index_is_69(stage, tool):
    stage.policy()
    url = "http://127.0.0.1:1/simple"
    ended = stage.run(*tool, "goodlib", env={"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url})
    assert ended.code == 69
    assert ended.ours[0].startswith("openvet: undecided, nothing installed: http://127.0.0.1:1 is out of reach")
    assert "Connection refused" in ended.ours[0]
    assert "Errno" not in ended.ours[0]


@BOTH
@pytest.mark.parametrize(
    "lie",
    [
        {"content_type": "application/octet-stream"},
        {"content_type": "application/json"},
        {"raw_page": b"\x00\xff{not json", "content_type": "application/vnd.pypi.simple.v1+json"},
        {"status": 503},
    ],
    ids=["octets", "plain-json", "broken-json", "503"],
)
def test_an_index_page_that_is_none_is_69(stage, tool, lie):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    for name, value in lie.items():
        setattr(stage.index.lies, name, value)
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 69, ended.err
    told = ended.ours[0].partition("openvet: undecided, nothing installed: ")[2]
    assert told.removeprefix("http://").startswith("127.0.0.1"), told
    assert stage.installed == {}


@BOTH
def test_bytes_that_are_not_what_the_page_said_are_65(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.index.entries["goodlib-1.0-py3-none-any.whl"].served = b"other bytes"
    stage.policy()
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 65
    assert ended.ours[0] == "openvet: invalid, nothing installed"
    assert ended.ours[1].startswith("✘ pypi:goodlib@1.0?py3-none-any    hash-mismatch")
    assert stage.installed == {}
    assert ended.report["outcome"] == "invalid"


@BOTH
def test_an_approved_archive_that_is_ambiguous_is_65(stage, tool):
    from tests.support.wheels import core_metadata, make_zip, wheel_text

    info = "goodlib-1.0.dist-info"
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = make_zip(
            [
                ("goodlib.py", b"A = 1\n"), ("goodlib.py", b"A = 2\n"),
                (f"{info}/METADATA", core_metadata("goodlib", "1.0").encode()),
                (f"{info}/WHEEL", wheel_text().encode()), (f"{info}/RECORD", b""),
            ]
        )  # fmt: skip
    stage.wheel("goodlib", "1.0", YES, body=twice)
    stage.policy()
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 65
    assert "archive-invalid" in ended.ours[1]
    assert stage.installed == {}


@BOTH
def test_a_fork_of_the_log_is_65_and_both_heads_are_named(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    other = stage.log.fork("elsewhere", at=-2)
    other.publish("evil", "1.0", claims=YES)
    served, pinned = other.head, stage.log.head
    stage.log.become(other)
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 65
    assert ended.ours[0] == "openvet: invalid, nothing installed, openvet.lock unchanged"
    assert ended.ours[1].startswith("✘ alice    log-invalid    forked: ")
    assert served[:12] in ended.err
    assert pinned[:12] in ended.err
    assert stage.index.requests == []


@BOTH
def test_a_log_without_a_pin_is_78(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy(lock=False)
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 78
    assert "hint: openvet-install update" in ended.err


def processes_in(folder):
    """Command lines of all processes that have something of this folder on their command line or environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environ = (place / "environ").read_bytes()
            line = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if int(place.name) != os.getpid() and str(folder).encode() in environ + line:
            found.append(line.replace(b"\0", b" ").decode())
    return found


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@BOTH
@pytest.mark.parametrize("moment", ["start", "page", "file"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_at_any_moment_leaves_nothing(stage, tool, moment, number):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()

    def slowly(_count, path):
        wanted = "/files/" if moment == "file" else "/simple/"
        if wanted in path:
            time.sleep(3)

    stage.index.lies.at_request = slowly
    with stage.running(*tool, "goodlib") as process:
        if moment == "start":
            time.sleep(0.15)
        else:
            wait_for(lambda: any(f"/{'files' if moment == 'file' else 'simple'}/" in one for one in stage.index.counts))
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _out, err = process.communicate(timeout=30)
    assert process.returncode != 0
    # Before our first line Python itself may be interrupted, and has its own words for it.
    assert process.returncode in (-number, 128 + number) or "init_import_site" in err, err
    assert stage.installed == {}
    assert stage.leftovers == []
    wait_for(lambda: processes_in(stage.folder) == [], 5)


@BOTH
def test_a_killed_run_takes_the_tool_with_it(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    stage.index.lies.at_request = lambda _count, path: time.sleep(5) if "/simple/" in path else None
    with stage.running(*tool, "goodlib") as process:
        wait_for(lambda: any("/simple/" in one for one in stage.index.counts))
        process.kill()
        process.wait()
        wait_for(lambda: processes_in(stage.folder) == [], 5)
    assert stage.installed == {}


@BOTH
def test_a_target_that_cannot_be_written_is_the_tools_own_failure(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    (site,) = stage.environment.glob("lib/python*/site-packages")
    command, _report = stage.command(*tool, "goodlib")
    mount = f'mount --bind -o ro {site} {site} && mount -o remount,bind,ro {site} && exec "$@"'
    ended = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh", *command],
        env=stage.variables, cwd=stage.project, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode in (1, 2), ended.stderr
    assert "Read-only file system" in " ".join(ended.stderr.split())  # it may be wrapped
    assert "Traceback" not in ended.stderr.partition("openvet")[2]
    assert stage.installed == {}
    assert stage.leftovers == []


@BOTH
def test_no_place_for_our_own_files_is_told(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    ended = stage.run(*tool, "goodlib", env={"XDG_CACHE_HOME": "/proc/nowhere"})
    assert ended.code == 0, ended.err
    assert "cannot be written" in ended.ours[0]
    assert stage.leftovers == []
