"""`openvet-install exec -- COMMAND`: any command behind the gate, as if we were not there."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pip
import pytest

from tests.support.forwardproxy import ForwardProxy
from tests.support.indexsim import Reply
from tests.support.stage import BENIGN, NO, PROGRAMS, WARN, YES, read_report

EXEC = ("openvet-install", "exec", "--")
OPEN = BENIGN.replace('isolation = "off"', 'isolation = "auto"')


@pytest.fixture
def gated(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.wheel("silent", "1.0")
    stage.policy()
    return stage


def shell(stage, script, *, options=(), env=None):
    return stage.run("openvet-install", "exec", *options, "--", "sh", "-ec", script, env=env)


def own_pip(stage):
    """A pip of the command's own, as tox and nox have one: nothing that stands in for it is asked."""
    return f"{stage.environment}/bin/python {Path(pip.__file__).parent}"


@pytest.mark.parametrize("policy", [BENIGN, OPEN], ids=["off", "auto"])
@pytest.mark.parametrize("command", ["pip install", "pip3 install", "uv pip install"])
def test_stand_ins_are_gated_runs(gated, command, policy):
    gated.policy(policy)
    ended = shell(gated, f"{command} goodlib")
    assert ended.code == 0, ended.err
    assert gated.installed == {"goodlib": "1.0"}
    ended = shell(gated, f"{command} bad; echo not reached")
    assert ended.code == 77
    assert "not reached" not in ended.out
    assert "✘ pypi:bad@1.0?py3-none-any    contradicted    command line" in ended.err
    assert ended.err.count("✘ pypi:bad@1.0") == 1
    assert ended.err.splitlines()[-1].startswith("hint: openvet-install explain bad==1.0") or policy is OPEN
    assert gated.installed == {"goodlib": "1.0"}
    assert gated.leftovers == []


@pytest.mark.parametrize("policy", [BENIGN, OPEN], ids=["off", "auto"])
def test_a_pip_of_its_own_is_held_by_the_gateway(gated, policy):
    gated.policy(policy)
    report = gated.folder / "r.json"
    ended = shell(gated, f"{own_pip(gated)} install -q goodlib", options=[f"--report=json:{report}"])
    assert ended.code == 0, ended.err
    found = read_report(report)
    assert [one["purl"] for one in found["files"]] == ["pkg:pypi/goodlib@1.0"]
    assert found["command"][:2] == ["exec", "sh"]
    ended = shell(gated, f"{own_pip(gated)} install bad", options=[f"--report=json:{report}"])
    assert ended.code == 77, ended.err
    assert "openvet: blocked, sh ended with 1; sh was shown no file of bad" in ended.err
    assert read_report(report)["outcome"] == "blocked"


def test_a_failure_that_is_not_ours_keeps_its_code(gated):
    ended = shell(gated, "pip install goodlib; exit 3")
    assert (ended.code, ended.ours) == (3, [])


@pytest.mark.parametrize("wanted", ["moving==2.0", "'moving>=2'", "goodlib 'moving>1'"])
def test_a_failure_that_may_be_ours_is_explained(gated, wanted):
    """What a pip of its own was told to install nobody knows: older releases are there, and none fits."""
    gated.wheel("moving", "1.0", YES)
    gated.wheel("moving", "2.0", NO)
    gated.policy()
    ended = shell(gated, f"{own_pip(gated)} install -q {wanted}")
    assert ended.code == 1
    assert ended.err.splitlines()[-3:] == [
        "openvet: note: sh ended with 1; withheld were, should that be why:",
        "  pypi:moving@2.0?py3-none-any    contradicted",
        "hint: openvet-install explain moving==2.0",
    ]


def test_a_failure_names_what_was_held_back(gated):
    gated.wheel("moving", "1.0", YES)
    gated.wheel("moving", "2.0")
    gated.wheel("moving", "3.0.dev1")
    gated.policy()
    ended = shell(gated, f"{own_pip(gated)} install -q moving goodlib; exit 3")
    assert ended.code == 3
    assert "  pypi:moving@2.0?py3-none-any    unaudited\nhint: openvet audit new" in ended.err
    assert "goodlib" not in ended.err
    ended = shell(gated, "pip install -q --force-reinstall moving; exit 3")
    assert (ended.code, ended.err.count("2.0"), "openvet: note: sh" in ended.err) == (3, 1, False)


ASK = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("{index}/else/where.json?token=x", "  {index}/else/where.json"),
        ("http://127.0.0.1:9/x", "  http://127.0.0.1 (a private address)"),
    ],
)
def test_a_failure_names_the_other_downloads_that_were_refused(gated, url, told):
    url, told = (one.format(index=gated.index.origin) for one in (url, told))
    gated.index.lies.at_request = lambda _number, _path: Reply(body=b"{}")
    ended = gated.run(*EXEC, sys.executable, "-c", ASK, url)
    assert ended.code == 1
    first = "ended with 1; refused, as it is neither a page of an index nor an archive of one:"
    lines = ended.err.splitlines()
    hint = ["hint: PIP_EXTRA_INDEX_URL=http://…/simple    if it is an index of yours"] if "private" in told else []
    assert lines[-1:] == (hint or [told])
    assert lines[lines.index(told) - 1].endswith(first)


def test_what_a_program_between_makes_of_it_is_told(gated):
    (gated.project / "Makefile").write_text("all:\n\t@pip install -q bad\n")
    ended = gated.run(*EXEC, "make")
    assert ended.code == 77
    assert ended.err.splitlines()[-1] == "openvet: blocked, as said above: `pip install -q bad`"


def test_a_block_that_the_command_forgives_stays_told(gated):
    ended = shell(gated, "pip install bad || true")
    assert ended.code == 0
    assert "✘ pypi:bad@1.0" in ended.err


def test_silence_in_warn_mode_is_told_once(gated):
    gated.policy(WARN)
    ended = shell(gated, "pip install -q silent")
    assert ended.code == 0
    assert ended.err.count("! pypi:silent@1.0") == 1


def test_what_the_gates_inside_have_told_is_not_told_again(gated):
    gated.wheel("hushed", "1.0")
    gated.wheel("hushed", "2.0", NO)
    gated.wheel("still", "1.0")
    gated.wheel("still", "2.0", NO)
    gated.policy(WARN)
    ended = shell(gated, f"pip install -q silent hushed; {own_pip(gated)} install -q still")
    assert ended.code == 0
    assert [ended.err.count(f"! pypi:{name}@1.0") for name in ("silent", "hushed", "still")] == [1, 1, 1]
    assert [ended.err.count(f"held back: {name} 1.0") for name in ("hushed", "still")] == [1, 1]
    assert "openvet: warned, 2 of 2 packages are" in ended.err
    assert "openvet: warned, 1 of 1 package is" in ended.err


def test_mode_and_project_reach_the_gates_inside(gated):
    gated.policy(WARN)
    ended = shell(gated, f"cd {gated.folder}; pip install silent", options=["--mode=block"])
    assert ended.code == 77
    assert gated.installed == {}


def test_streams_environment_and_arguments_are_the_command_s_own(gated):
    code = "import os, sys; print(sys.argv[1:], os.environ['X'], sys.stdin.read()); print('e', file=sys.stderr)"
    ended = gated.run(*EXEC, sys.executable, "-c", code, "--", "a b", "*", env={"X": "é"}, stdin="in")
    assert (ended.code, ended.out) == (0, "['--', 'a b', '*'] é in\n")
    assert ended.err.endswith("\ne\n") or ended.err == "e\n"


def test_descriptors_are_passed_on(gated):
    script = f"{PROGRAMS}/openvet-install exec -- cat /dev/fd/7 7<<END\nhello\nEND\n"
    ended = subprocess.run(
        ["sh", "-c", script], env=gated.variables, cwd=gated.project, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "hello\n", ended.stderr


@pytest.mark.parametrize(("argv", "code"), [(["no-such-thing"], 127), (["./file"], 126), ([], 64), (["false"], 1)])
def test_exit_codes_of_what_does_not_run(gated, argv, code):
    (gated.project / "file").write_text("")
    ended = gated.run(*EXEC, *argv)
    assert ended.code == code, ended.err
    assert gated.leftovers == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_reaches_the_command_and_we_end_as_it_does(gated, number):
    with gated.running(*EXEC, "sh", "-c", "echo up; exec sleep 60") as process:
        assert process.stdout.readline() == "up\n"
        os.kill(process.pid, number)
        assert process.wait(30) == -number


def test_a_group_that_is_ended_was_not_undecided(gated):
    """Whoever stops a build ends all of it; the gate inside then reaches no index any more."""
    gated.index.lies.at_request = lambda _count, path: time.sleep(3) if "/simple/" in path else None
    with gated.running(*EXEC, "pip", "install", "goodlib") as process:
        deadline = time.monotonic() + 30
        while not any("/simple/" in one for one in gated.index.counts) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGTERM)
        _out, err = process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM), err
    assert "undecided" not in err


def test_a_trap_of_the_command_decides(gated):
    with gated.running(
        *EXEC, "sh", "-c", "trap 'echo caught; kill $!; exit 5' TERM; sleep 60 & echo up; wait"
    ) as process:
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.stdout.readline() == "caught\n"
        assert process.wait(30) == 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_command_that_dies_of_a_signal(gated, number):
    command, _report = gated.command(*EXEC, "sh", "-c", f"kill -{int(number)} $$")
    ended = subprocess.run(command, env=gated.variables, cwd=gated.project, capture_output=True, check=False)
    assert ended.returncode == -number
    assert gated.leftovers == []


def read_until(master, mark, seconds=30):
    shown, deadline = b"", time.monotonic() + seconds
    while mark not in shown and time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            shown += os.read(master, 65536)
    assert mark in shown, shown
    return shown


def test_an_interactive_shell_has_the_terminal_and_its_jobs(gated):
    """bash with job control inside `exec`, started by a bash with job control: stop and go on, inside and outside."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(gated.project)
        os.execve(
            "/bin/bash", ["bash", "--norc", "--noprofile", "-i"], {**gated.variables, "PS1": "out$ ", "TERM": "dumb"}
        )
    try:
        read_until(master, b"out$ ")
        os.write(master, f"PS1='i''n$ ' {PROGRAMS}/openvet-install exec -- bash --norc --noprofile -i\n".encode())
        read_until(master, b"in$ ")
        os.write(master, b"sleep 60\n")
        time.sleep(0.5)
        os.write(master, b"\x1a")
        read_until(master, b"Stopped")
        os.write(master, b"jobs; kill %1; echo t''ty=$(tty)=\n")
        read_until(master, b"tty=/dev/")
        os.write(master, b"suspend\n")
        read_until(master, b"out$ ")
        os.write(master, b"jobs\n")
        assert b"Stopped" in read_until(master, b"out$ ")
        os.write(master, b"fg\n")
        time.sleep(0.5)
        os.write(master, b"echo again-$((1+1))\n")
        read_until(master, b"again-2")
        os.write(master, b"exit 7\n")
        read_until(master, b"out$ ")
        os.write(master, b"echo code=$?.\n")
        read_until(master, b"code=7.")
        os.write(master, b"exit\n")
    finally:
        time.sleep(0.2)
        os.close(master)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert gated.leftovers == []


def test_ctrl_c_at_a_terminal_reaches_the_command_once(gated):
    code = (
        "import signal, time\nseen = []\nsignal.signal(signal.SIGINT, lambda *_: seen.append(1))\n"
        "print('up', flush=True)\ntime.sleep(1.5)\nprint('seen', len(seen), flush=True)"
    )
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(gated.project)
        program = str(PROGRAMS / "openvet-install")
        os.execve(program, [program, "exec", "--", sys.executable, "-c", code], {**gated.variables, "TERM": "dumb"})
    read_until(master, b"up")
    os.write(master, b"\x03")
    read_until(master, b"seen 1")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(master)


def test_what_it_leaves_running_lives_on(gated):
    ended = shell(gated, "sleep 30 >/dev/null 2>&1 & echo $!")
    pid = int(ended.out)
    os.kill(pid, signal.SIGKILL)
    assert ended.code == 0


@pytest.mark.parametrize("tool", ["pip", "uv pip"])
def test_an_index_that_is_away_is_called_that_inside_too(gated, tool):
    """The gate around asks it, and knows why; and who asks that gate need not try again."""
    gated.index.lies.status = 503
    asked = []
    for around in ((), ("openvet-install", "exec", "--")):
        tries = len(gated.index.requests)
        words = [*(around or ()), *(tool.split() if around else [f"openvet-{tool.split()[0]}", *tool.split()[1:]])]
        ended = gated.run(*words, "install", "goodlib")
        assert ended.code == 69, ended.err
        told = f"openvet: undecided, nothing installed: {gated.index.origin} answered with the status 503"
        assert told in ended.err
        asked.append(len(gated.index.requests) - tries)
    assert asked[1] < 2 * asked[0]  # each may have stopped asking for what the tool no longer waits


@pytest.mark.parametrize("words", ["run --no-project --with {pip}", "tool run --from {pip}"])
def test_an_installer_as_a_program_of_uv_is_behind_the_gate(gated, words):
    """Outside of `exec` it would be behind none."""
    gated.wheel("pip", pip.__version__, YES, files=own_files(pip), entry_points={"pip": "pip._internal.cli.main:main"})
    gated.policy()
    uv = f"uv {words.format(pip='pip')} pip --python {gated.environment}/bin/python install -q"
    ended = shell(gated, f"{uv} goodlib")
    assert ended.code == 0, ended.err
    assert gated.installed == {"goodlib": "1.0"}
    ended = shell(gated, f"{uv} bad")
    assert ended.code == 77, ended.err
    assert gated.installed == {"goodlib": "1.0"}


def own_files(module):
    folder = Path(module.__file__).parent
    found = [one for one in folder.rglob("*") if one.is_file() and one.suffix != ".pyc"]
    return {f"{folder.name}/{one.relative_to(folder)}": one.read_bytes() for one in found}


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(
    "name", ["goodlib", "bad", "{files}/goodlib-1.0-py3-none-any.whl", "{files}/bad-1.0-py3-none-any.whl"]
)
def test_an_index_that_only_the_command_names(gated, tool, name):
    """As a tox.ini or a file of requirements does; what it lists is judged like anything."""
    gated.index.lies.relative = True
    there = f"http://other.example:{gated.index.port}"
    with ForwardProxy(names={"other.example": "127.0.0.1"}) as proxy:
        env = dict.fromkeys(("http_proxy", "HTTP_PROXY"), proxy.url) | {"no_proxy": "127.0.0.1"}
        words = f"-q -i {there}/simple '{name.format(files=f'{there}/files')}'"
        uv = f"{PROGRAMS / 'uv'} pip install {words}"
        command = f"{own_pip(gated)} install --trusted-host other.example {words}" if tool == "pip" else uv
        ended = shell(gated, command, env=env)
    good = "goodlib" in name
    assert ended.code == (0 if good else 77), ended.err
    assert gated.installed == ({"goodlib": "1.0"} if good else {})


def test_a_log_that_goes_away_meanwhile_is_no_end_of_the_command(gated):
    """Nothing was asked of it, so nothing is undecided."""
    for kind, name in gated.log.objects:
        gated.log.hide(kind, name)
    report = gated.folder / "r.json"
    ended = shell(gated, "exit 0", options=[f"--report=json:{report}"])
    assert (ended.code, ended.ours, read_report(report)["outcome"]) == (0, [], "allowed")
    ended = shell(gated, f"{own_pip(gated)} install -q goodlib")
    assert ended.code == 69
    assert ended.ours[0].startswith("openvet: undecided, sh ended with 1: ")
    assert f"commit {gated.log.head[:12]} is missing" in ended.ours[0]


def test_exec_inside_exec(gated):
    inner = f"{PROGRAMS}/openvet-install exec -- sh -ec"
    ended = shell(gated, f"{inner} 'pip install -q goodlib; uv pip install -q goodlib'")
    assert ended.code == 0, ended.err
    ended = shell(gated, f"{inner} 'pip install -q bad'")
    assert ended.code == 77
    assert ended.err.count("✘ pypi:bad@1.0") == 1


def test_management_commands_work_inside(gated):
    ended = shell(gated, f"pip install -q goodlib; {PROGRAMS}/openvet-install check --environment")
    assert ended.code == 0, ended.err


def test_a_log_out_of_reach_stops_before_the_command_starts(gated):
    gated.policy(BENIGN.replace("[install]", '[install]\ncheck-every = "0s"\nstale-after = "1s"'))
    gated.log.down = 503
    ended = shell(gated, "echo started")
    assert ended.out == ""


def test_nothing_is_said_when_all_is_well(gated):
    gated.run(*EXEC, "true")  # names the policy at its first use
    ended = gated.run(*EXEC, "true")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_told_lines_that_are_no_reports_do_not_matter(gated):
    script = 'printf "%s\\n" "{" "[]" \'{"command": 1}\' >> "$OPENVET_INSTALL_TOLD"; exit 4'
    ended = shell(gated, script)
    assert (ended.code, ended.ours) == (4, [])


def test_the_report_is_one_of_the_schema(gated):
    report = gated.folder / "r.json"
    shell(gated, "pip install -q goodlib", options=[f"--report=json:{report}"])
    found = read_report(report)
    assert found["isolation"] == {"state": "off", "reason": "guard rail: switched off"}
    assert found["tool"]["name"] == "sh"
    assert json.dumps(found)
