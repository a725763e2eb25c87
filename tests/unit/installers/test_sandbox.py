import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from openvet_install.errors import ConfigError
from openvet_install.installers import sandbox as sandbox_module
from openvet_install.installers.sandbox import OFF, ON, Bystander, Isolation, Sandbox, run

PYTHON = [sys.executable, "-I", "-c"]


def _env():
    return {"PATH": os.defpath}


@pytest.mark.parametrize(("code", "expected"), [("pass", 0), ("raise SystemExit(7)", 7)])
def test_exit_codes(code, expected, tmp_path):
    ended = run([*PYTHON, code], env=_env(), cwd=str(tmp_path))
    assert (ended.code, ended.signal, ended.received, ended.interrupted) == (expected, None, None, False)


def test_a_signal_is_128_and_its_number(tmp_path):
    ended = run([*PYTHON, "import os; os.kill(os.getpid(), 9)"], env=_env(), cwd=str(tmp_path))
    assert (ended.code, ended.signal) == (137, 9)


def test_environment_folder_and_streams_are_the_child_s(tmp_path, capfd):
    code = "import os, sys; print(sorted(os.environ), os.getcwd(), flush=True); print('e', file=sys.stderr)"
    assert run([*PYTHON, code], env={"X": "é\n"}, cwd=str(tmp_path)).code == 0
    out, err = capfd.readouterr()
    assert out.strip() in (f"['X'] {tmp_path}", f"['LC_CTYPE', 'X'] {tmp_path}")
    assert err == "e\n"


def test_no_descriptor_of_ours_is_open_in_the_child(tmp_path, capfd):
    code = "import os; print([n for n in os.listdir('/proc/self/fd') if int(n) > 3])"
    assert run([*PYTHON, code], env=_env(), cwd=str(tmp_path)).code == 0
    assert capfd.readouterr().out.strip() == "[]"


def test_default_signals_in_the_child(tmp_path, capfd):
    code = "print(*[l for l in open('/proc/self/status') if l.startswith('SigIgn')])"
    # Python itself ignores SIGPIPE and SIGXFSZ, newer ones start processes so that 32 and 33, the C library's own, are
    assert run([*PYTHON, code], env=_env(), cwd=str(tmp_path)).code == 0
    ignored = int(capfd.readouterr().out.split()[1], 16)
    known = (signal.SIGPIPE, signal.SIGXFSZ, 32, 33)
    assert ignored & ~sum(1 << (one - 1) for one in known) == 0


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="`/none` does not start"):
        run(["/none"], env=_env(), cwd=str(tmp_path))


def test_never_run(tmp_path):
    with Sandbox() as sandbox:
        process = sandbox._process
    assert process.returncode is not None
    sandbox.close()


def _helper(tmp_path, root, child, isolation=OFF):
    """A process of ours that runs `child` in a sandbox and prints how it ended."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from openvet_install.installers.sandbox import run; "
        "e = run([sys.executable, '-I', '-u', '-c', sys.argv[2]], env={}, cwd=sys.argv[3], isolation=sys.argv[4]); "
        "print(e.code, e.received, e.interrupted)"
    )
    return subprocess.Popen(
        [*PYTHON, code, str(root), child, str(tmp_path), isolation],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_signal_that_is_handed_on_may_find_out_first_that_the_command_has_ended():
    with Bystander(OFF) as sandbox:
        sandbox._process.kill()
        sandbox._process.wait()
        assert sandbox._wait() == -signal.SIGKILL


def test_ctrl_c_reaches_the_tool_and_we_wait(tmp_path, pytestconfig):
    child = (
        "import time\n"
        "try:\n print('up')\n time.sleep(60)\n"
        "except KeyboardInterrupt:\n time.sleep(0.2)\n print('undone')\n raise SystemExit(3)"
    )
    with _helper(tmp_path, pytestconfig.rootpath, child) as process:
        assert process.stdout.readline() == "up\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "undone\n3 2 True\n"


def test_sigterm_is_handed_on(tmp_path, pytestconfig):
    with _helper(tmp_path, pytestconfig.rootpath, "import time; print('up'); time.sleep(60)") as process:
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.stdout.read() == "143 15 True\n"


@pytest.mark.parametrize("isolation", ["off", "auto"])
def test_the_tool_dies_with_us(isolation, tmp_path, pytestconfig):
    code = "import os, time; print(os.getpid()); time.sleep(60)"
    with _helper(tmp_path, pytestconfig.rootpath, code, isolation) as process:
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
    for _ in range(100):
        try:
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
        except FileNotFoundError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the tool outlived us")


def test_isolation_says_why_it_is_off():
    with Sandbox(OFF) as sandbox:
        assert sandbox.settle() == Isolation(OFF, "switched off")
        assert sandbox.listener is None


def _here():
    """Whether this system lets us have a network of our own; a second opinion."""
    return subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0


CONNECT = """
import json, socket, sys
found = {}
for name, port in json.loads(sys.argv[1]).items():
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        found[name] = True
    except OSError:
        found[name] = False
print(json.dumps(found))
"""


def test_a_network_of_its_own_has_one_way_out(tmp_path, capfd):
    """Where it can be had, the child reaches our listener and nothing else; elsewhere a reason is given."""
    outside = socket.create_server(("127.0.0.1", 0))
    with outside, Sandbox() as sandbox:
        found = sandbox.settle()
        assert (found.state == ON) == _here()
        if found.state != ON:
            assert found.reason
            return
        ports = {"inside": sandbox.listener.getsockname()[1], "outside": outside.getsockname()[1]}

        def serve():
            sandbox.listener.accept()[0].close()

        thread = threading.Thread(target=serve)
        thread.start()
        ended = sandbox.run([*PYTHON, CONNECT, json.dumps(ports)], env=_env(), cwd=str(tmp_path))
        thread.join()
    assert ended.code == 0
    assert json.loads(capfd.readouterr().out) == {"inside": True, "outside": False}


def test_a_namespace_that_stays_half_is_left_and_the_child_runs_in_our_network(tmp_path, capfd, monkeypatch):
    """Some systems give a namespace without rights in it; a tool in that could reach nothing at all."""
    monkeypatch.setattr(sandbox_module, "_map_ids", _fail)
    with socket.create_server(("127.0.0.1", 0)) as outside, Sandbox() as sandbox:
        found = sandbox.settle()
        assert found.state == OFF
        assert "here: " in found.reason
        ports = {"outside": outside.getsockname()[1]}
        assert sandbox.run([*PYTHON, CONNECT, json.dumps(ports)], env=_env(), cwd=str(tmp_path)).code == 0
        assert json.loads(capfd.readouterr().out) == {"outside": True}
    with Sandbox("require") as sandbox, pytest.raises(ConfigError, match='isolation = "require" cannot be had here'):
        sandbox.settle()


def _fail(_pid):
    raise PermissionError(1, "Operation not permitted")


def test_a_launcher_that_is_ended_before_it_becomes_the_tool_is_a_signal_and_no_bug(tmp_path):
    with Sandbox(OFF) as sandbox:
        sandbox._process.terminate()
        sandbox._process.wait()
        ended = sandbox.run(["/bin/true"], env={}, cwd=str(tmp_path))
    assert ended.code == 128 + signal.SIGTERM


def test_a_launcher_that_is_interrupted_while_it_starts_says_nothing(tmp_path, capfd):
    for number in range(12):
        with Sandbox(OFF) as sandbox:
            time.sleep(number * 0.003)
            sandbox._process.send_signal(signal.SIGINT)
            ended = sandbox.run(["/bin/sleep", "20"], env={}, cwd=str(tmp_path))
            assert ended.code == 128 + signal.SIGINT
    assert capfd.readouterr().err == ""
