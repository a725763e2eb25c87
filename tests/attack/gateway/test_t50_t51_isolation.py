"""T50, T51: a network of the child's own: what it closes, what it does not, and that it is never silently half."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.attacks import BOTH, PIP, backend, everything, stopped
from tests.support.stage import YES

POLICY = '[requirement]\nbenign = "is-benign"\n\n[install]\n'
ROOT = Path(__file__).resolve().parents[3]
HERE = subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0
NO_NAMESPACES = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"]

TRIES = """
import json, os, socket, subprocess
seen = {{}}
def tries(name, what):
    try:
        what()
        seen[name] = True
    except Exception:
        seen[name] = False
def udp(host):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (host, 53))
def unix(path):
    socket.socket(socket.AF_UNIX).connect(path)
def nsenter():
    subprocess.run(["nsenter", "--net=/proc/1/ns/net", "true"], check=True, capture_output=True)
def gateway():
    host, port = os.environ["http_proxy"].rpartition("@")[2].split(":")
    socket.create_connection((host, int(port)), 5)
tries("direct", lambda: socket.create_connection(("127.0.0.1", {port}), 5))
tries("udp", lambda: udp("127.0.0.53") or udp("192.0.2.1"))
tries("abstract", lambda: unix("\\0{abstract}"))
tries("runtime", lambda: unix({runtime!r}))
tries("agent", lambda: unix({agent!r}))
tries("nsenter", nsenter)
tries("gateway", gateway)
seen["links"] = sorted(name for _number, name in socket.if_nameindex())
seen["descriptors"] = []
for number in range(3, 256):
    tries("open", lambda: seen["descriptors"].append(os.readlink(f"/proc/self/fd/{{number}}")))
seen["names"] = sorted(name for name in os.environ if name.startswith(("SSH_", "DBUS_", "DOCKER_")))
with open(FOLDER + "/seen.json", "w") as file:
    json.dump(seen, file)
"""


@pytest.fixture
def listening(tmp_path):
    """What a user's other programs listen on: a port, an abstract socket, a bus in the runtime folder, an agent."""
    runtime, agent = tmp_path / "runtime", tmp_path / "agent"
    runtime.mkdir(mode=0o700)
    abstract = f"openvet-test-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(socket.AF_UNIX) as bus,
        socket.socket(socket.AF_UNIX) as ssh,
        socket.socket(socket.AF_UNIX) as hidden,
    ):
        for one, path in ((bus, str(runtime / "bus")), (ssh, str(agent)), (hidden, f"\0{abstract}")):
            one.bind(path)
            one.listen()
        yield {
            "port": port.getsockname()[1], "abstract": abstract, "runtime": str(runtime / "bus"), "agent": str(agent),
        }  # fmt: skip


def build(stage, tool, isolation, listening):
    """Install an approved sdist whose build tries every way out; return what it saw and the report."""
    code = TRIES.format(**listening)
    stage.sdist("curious", "1.0", YES, backend=backend(stage, "curious", "1.0", code))
    stage.policy(f'{POLICY}isolation = "{isolation}"\n')
    runtime = str(Path(listening["runtime"]).parent)
    names = {"XDG_RUNTIME_DIR": runtime, "SSH_AUTH_SOCK": listening["agent"], "DOCKER_HOST": "unix:///run/x.sock"}
    ended = stage.run(*tool, "curious", env=names | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus"})
    assert ended.code == 0, ended.err
    assert ended.report is not None
    return json.loads((stage.folder / "seen.json").read_text()), ended.report["isolation"]


@BOTH
def test_without_isolation_a_build_reaches_everything(stage, tool, listening):
    """The attack is one; the report says that nothing holds it."""
    seen, state = build(stage, tool, "off", listening)
    assert state == {"state": "off", "reason": "switched off"}
    assert seen["direct"]
    assert seen["runtime"]
    assert seen["agent"]


@BOTH
@pytest.mark.parametrize("isolation", ["auto", "require"])
def test_a_build_reaches_the_gateway_and_nothing_else(stage, tool, isolation, listening):
    if not HERE:
        with pytest.raises(AssertionError):
            build(stage, tool, "require", listening)
        return
    seen, state = build(stage, tool, isolation, listening)
    assert state == {"state": "on", "reason": None}
    assert seen["gateway"]
    assert not any(seen[name] for name in ("direct", "udp", "abstract", "nsenter"))
    assert seen["links"] == ["lo"]
    assert seen["names"] == []
    assert not [one for one in seen["descriptors"] if one.startswith("socket:")]
    if isolation == "require":  # `auto` is network isolation and says no more
        assert not seen["runtime"]
        assert not seen["agent"]


def without_namespaces(stage, isolation):
    stage.wheel("good", "1.0", YES)
    stage.policy(f'{POLICY}isolation = "{isolation}"\n')
    command, report = stage.command(*PIP, "good")
    around = NO_NAMESPACES if HERE else []
    ended = subprocess.run(
        [*around, *command], env=stage.variables, cwd=stage.project, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    return ended, report


def test_require_stops_before_the_tool_starts(stage):
    before = everything(stage)
    ended, _report = without_namespaces(stage, "require")
    assert ended.returncode == 78
    assert 'isolation = "require" cannot be had here: no user namespaces here: ' in ended.stderr
    assert everything(stage) == before
    assert stage.leftovers == []


def test_auto_goes_on_and_the_report_says_why(stage):
    ended, report = without_namespaces(stage, "auto")
    assert ended.returncode == 0
    assert stage.installed == {"good": "1.0"}
    state = json.loads(report.read_text())["isolation"]
    assert state["state"] == "off"
    assert state["reason"].startswith("no user namespaces here: ")
    assert "isolation" not in ended.stderr


def test_require_does_not_hide_where_the_run_itself_lives(stage):
    """A temporary folder in the runtime folder would be hidden from the tool with it: told, not half done."""
    if not HERE:
        return
    stage.wheel("good", "1.0", YES)
    stage.policy(f'{POLICY}isolation = "require"\n')
    before = everything(stage)
    ended = stage.run(*PIP, "good", env={"XDG_RUNTIME_DIR": str(stage.folder / "tmp")})
    stopped(stage, ended, 78, before=before)
    assert "hides" in ended.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets files of others")
@BOTH
def test_root_writes_to_an_environment_of_somebody_else(stage, tool):
    """As in containers whose checkout belongs to another user: root stays root for files."""
    stage.wheel("good", "1.0", YES)
    stage.policy(f'{POLICY}isolation = "auto"\n')
    for path in (stage.environment, *stage.environment.rglob("*")):
        os.chown(path, 4242, 4242, follow_symlinks=False)
        if path.is_dir():
            path.chmod(0o755)
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert ended.report["isolation"]["state"] == ("on" if HERE else "off")
    assert stage.installed == {"good": "1.0"}


ONE_OF_EACH_SECTION = (
    "test_t02_pages_that_point_home.py::test_a_page_never_leads_to_a_local_file",
    "test_t03_files.py::test_no_constraint_swaps_a_package",
    "test_t07_settings.py::test_every_request_comes_through_the_gateway",
    "test_t28_caches_and_disk.py::test_approved_installed_withdrawn_installed_again",
    "test_t40_indexes.py::test_bytes_that_change_between_two_requests",
    "test_t53_policies_and_logs.py::test_a_build_that_edits_the_policy_and_the_pins",
    "test_t77_output_and_faults.py::test_text_in_archives",
)


@pytest.mark.skipif("OPENVET_TEST_ISOLATION" in os.environ, reason="then all of them run in it")
@pytest.mark.parametrize("attack", ONE_OF_EACH_SECTION)
def test_attacks_fail_in_a_network_of_the_child_s_own_too(attack):
    """`OPENVET_TEST_ISOLATION=require` in front of pytest runs all of them so."""
    folder = Path(__file__).resolve().parents[1] / "gate"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder / attack)]
    wanted = "require" if HERE else "auto"
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OPENVET_TEST_ISOLATION": wanted}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
