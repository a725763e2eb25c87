"""What people see through a real pseudo-terminal, in narrow, plain, foreign and closed ones, and on a full disk."""

import os
import pty
import re
import shlex
import subprocess
import time

import pytest

from tests.e2e.test_commands import write_lock
from tests.support import journeys
from tests.support.stage import NO, PROGRAMS, WARN, YES


@pytest.fixture
def locked(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.wheel("silent", "1.0")
    write_lock(stage, "goodlib", "bad", "silent")
    stage.policy()
    return stage


def on_terminal(stage, *argv, env=None):
    """Run on a pseudo-terminal; return the exit code and all that was shown, line ends as in files."""
    command, _report = stage.command(*argv)
    master, slave = pty.openpty()
    variables = {name: value for name, value in stage.variables.items() if name not in ("TERM", "NO_COLOR")}
    process = subprocess.Popen(
        command, cwd=stage.project, env={**variables, "TERM": "xterm", **(env or {})}, stdin=slave, stdout=slave,
        stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    return process.wait(timeout=60), shown.decode().replace("\r\n", "\n")


def steady(text):
    """Replace what differs from run to run: hashes, dates, lines of the lock."""
    text = re.sub(r"audit [0-9a-f]{12}, \d{4}-\d\d-\d\d", "audit HASH, DATE", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)
    return re.sub(r"uv\.lock:\d+", "uv.lock:N", text)


JOURNEY_7 = """\
✘ pypi:bad@1.0?py3-none-any       contradicted    uv.lock:N
└─ benign: ✘ contradicted
   └─ from alice: ✘ false    audit HASH, DATE, "looked at"
      └─ is-benign → false
✘ pypi:silent@1.0?py3-none-any    unaudited       uv.lock:N
Summary: 1 passed, 1 failed, 1 unaudited, 1 skipped
"""


def test_journey_7_adoption_on_a_terminal(locked):
    plain = {"NO_COLOR": "1"}
    code, shown = on_terminal(locked, "openvet-install", "check", env=plain)
    assert (code, steady(shown)) == (77, JOURNEY_7)
    code, shown = on_terminal(locked, "openvet-install", "baseline", "--owner", "platform@example.com", env=plain)
    assert code == 77
    assert steady(shown).splitlines() == [
        "wrote openvet.baseline.toml: 1 release, 1 file; it ends on DATE",
        "✘ pypi:bad@1.0?py3-none-any    contradicted    not taken, decide it by hand",
    ]
    code, shown = on_terminal(locked, "openvet-install", "check", env=plain)
    assert shown.splitlines()[-1] == "Summary: 1 passed, 1 failed, 0 unaudited, 1 skipped, 1 baseline"


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)
def test_colour_follows_the_usual_rules(locked, env, coloured):
    _code, shown = on_terminal(locked, "openvet-install", "check", env=env)
    assert ("\x1b[31m✘\x1b[0m" in shown) is coloured
    assert ("\x1b" in shown) is coloured


def test_colour_can_be_forced_into_a_pipe(locked):
    assert "\x1b[31m" in locked.run("openvet-install", "check", env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in locked.run("openvet-install", "check").out


def test_forty_columns_fold_rows_and_cut_no_subject(locked):
    code, shown = on_terminal(locked, "openvet-install", "check", env={"COLUMNS": "40", "NO_COLOR": "1"})
    assert code == 77
    assert steady(shown).splitlines()[-3:] == [
        "✘ pypi:silent@1.0?py3-none-any",
        "  unaudited    uv.lock:N",
        "Summary: 1 passed, 1 failed, 1 unaudited, 1 skipped",
    ]


@pytest.mark.parametrize("command", ["check", "explain bad", "config", "baseline --owner o", "suggest"])
def test_latin_1_gets_signs_that_it_has(locked, command):
    env = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    argv, _report = locked.command("openvet-install", *shlex.split(command))
    ended = subprocess.run(
        argv, cwd=locked.project, env=locked.variables | env, capture_output=True, timeout=60, check=False
    )
    text = ended.stdout.decode("latin-1") + ended.stderr.decode("latin-1")
    assert ended.returncode in (0, 77), text
    assert "Traceback" not in text
    if command == "check":
        assert text.startswith("x pypi:bad@1.0?py3-none-any       contradicted    uv.lock:")
        assert "`- benign: x contradicted" in text


@pytest.mark.parametrize("command", ["check", "explain bad", "check --report=json", "check --report=github"])
def test_a_closed_stdout_ends_the_text_not_the_verdict(locked, command):
    argv, _report = locked.command("openvet-install", *shlex.split(command))
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.join(argv)} >&-"], cwd=locked.project, env=locked.variables, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode in (64, 77), ended.stderr
    assert "Traceback" not in ended.stderr


def full(stage, script, *, env=None):
    """Run a script with `$D`, a tmpfs of 1 MB that is full, in a mount namespace of its own."""
    folder = stage.folder / "full"
    folder.mkdir()
    prepare = (
        f"mount -t tmpfs -o size=1m none {folder} && {script[0]}dd if=/dev/zero of={folder}/fill bs=4k 2>/dev/null; "
    )
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", prepare + script[1]], cwd=stage.project, env={**stage.variables, **(env or {})},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_full_disk_leaves_the_baseline_as_it_was(locked):
    locked.run("openvet-install", "baseline", "--owner", "o")
    folder = locked.folder / "full"
    locked.wheel("more", "1.0")
    write_lock(locked, "goodlib", "silent", "more")
    program = shlex.quote(locked.command("openvet-install")[0][0])
    within = f"cd {folder}; cp openvet.baseline.toml /dev/stdout; echo ----; {program} baseline --grow --owner o"
    within += "; code=$?; echo ----; cat openvet.baseline.toml; ls -A; exit $code"
    ended = full(locked, (f"cp {locked.project}/* {folder}/; ", within))
    before, _told, after = ended.stdout.split("----\n")
    assert ended.returncode == 78, ended.stderr
    assert "error: cannot be written: No space left on device" in ended.stderr
    assert after.startswith(before)
    assert ".openvet" not in after


@pytest.mark.parametrize("variable", ["TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"])
def test_a_full_disk_elsewhere_is_told_or_does_not_matter(locked, variable):
    program = shlex.quote(locked.command("openvet-install")[0][0])
    ended = full(locked, ("", f"{program} check"), env={variable: str(locked.folder / "full")})
    assert ended.returncode in (77, 78), ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("variable", ["TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"])
@pytest.mark.parametrize("tool", ["openvet-pip install", "openvet-uv pip install"])
def test_a_full_disk_below_an_install_is_told_or_does_not_matter(locked, variable, tool):
    program, *rest = tool.split()
    command = shlex.join([str(PROGRAMS / program), *rest, "goodlib"])
    ended = full(locked, ("", f"{command}; code=$?; ls -A {locked.folder}/full/* >&2; exit $code"),
                 env={variable: str(locked.folder / "full")})  # fmt: skip
    assert "Traceback" not in ended.stderr
    told = " ".join(ended.stderr.split())  # uv wraps its words where its window ends
    assert "No space left" in told if ended.returncode else locked.installed == {"goodlib": "1.0"}
    assert ended.returncode in (0, 1, 2, 69), ended.stderr  # 1 and 2 are the tools' own
    assert ".before" not in ended.stderr
    if variable == "XDG_STATE_HOME":
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("command", ["check", "config", "explain silent", "completion bash", "shell-init bash"])
def test_a_full_disk_below_stdout_is_told_and_keeps_the_verdict(locked, command):
    argv, _report = locked.command("openvet-install", *shlex.split(command))
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.join(argv)} >/dev/full"], cwd=locked.project, env=locked.variables, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == {"check": 77, "explain": 77, "config": 0}.get(command.split()[0], 78), ended.stderr
    assert ended.stderr.count("No space left on device") == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["check", "check --report=json", "check --report=sarif"])
def test_a_closed_pipe_ends_the_text_not_the_verdict(locked, command):
    argv, _report = locked.command("openvet-install", *shlex.split(command))
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shlex.join(argv)} | true"], cwd=locked.project, env=locked.variables,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 77, ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_full_disk_for_reports_is_64_before_all_else(locked):
    locked.policy(WARN)
    program = shlex.quote(locked.command("openvet-install")[0][0])
    ended = full(locked, ("", f"{program} check --report=jsonl:{locked.folder}/full/fill"))
    assert ended.returncode == 64, ended.stderr
    assert "No space left" in ended.stderr


def test_a_long_download_shows_how_far_it_is_and_takes_the_line_away(stage):
    stage.wheel("big", "1.0", YES, files={"big.py": os.urandom(600_000).hex()})
    stage.policy()
    stage.index.lies.slow = 0.8
    code, shown = journeys.on_terminal(stage, "openvet-pip install big")
    assert code == 0, shown
    said = re.findall(r"\ropenvet: getting big-1\.0-py3-none-any\.whl, (\d\.\d) of 1 MB *\r", shown)
    assert said, shown
    after = shown[shown.rindex("openvet: getting ") :]
    assert re.match(r"[^\r]*\r\r *\r", after), after
    assert "getting" not in stage.run("openvet-pip", "install", "--force-reinstall", "big").err
