"""The simulated host itself: what it signs is what it says, and its faults are what they are called."""

from __future__ import annotations

import base64
import subprocess
import urllib.error
import urllib.request

import pytest
import tomli

from openvet_install.openvet import sshsig, wire
from openvet_install.openvet.faults import object_name
from openvet_install.openvet.pins import read_pins, read_walked
from tests.support.loghost import packed_zstd
from tests.support.logsim import LogSimulator, SimKey, write_project


@pytest.fixture
def sim():
    with LogSimulator() as sim:
        yield sim


def fetch(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read()


def test_a_new_log_has_a_genesis(sim):
    log = sim.log("alice")
    assert sim.log("alice") is log
    head = fetch(f"{log.url}/log/head")
    assert (head.hex(), len(log.commits)) == (log.head, 1)
    raw = fetch(f"{log.url}/log/commit/{head.hex()}")
    assert object_name(raw) == head
    assert wire.decode_commit_envelope(raw).commit.position == (0, 0)


def test_names_are_the_same_in_every_run():
    heads = set()
    for _ in range(2):
        sim = LogSimulator()
        log = sim.log("alice")
        log.publish("flask", "3.1.2", claims={"is-benign": True})
        heads.add(log.head)
    assert len(heads) == 1


def test_signatures_are_those_of_ssh_keygen(tmp_path):
    key = SimKey("a")
    public = f"ssh-ed25519 {base64.b64encode(key.blob).decode()}"
    (tmp_path / "allowed").write_text(f"me {public}\n")
    (tmp_path / "sig").write_bytes(key.sign(sshsig.AUDIT_NAMESPACE, b"message"))
    command = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "me", "-n", sshsig.AUDIT_NAMESPACE]
    done = subprocess.run([*command, "-s", tmp_path / "sig"], input=b"message", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_operation_is_one_commit(sim):
    log = sim.log("alice")
    subject = log.publish("flask", "3.1.2", claims={"is-benign": True})
    log.update(subject, claims={"is-benign": False})
    log.withdraw(subject)
    key = log.add_key("bob", ("auditor", "publisher"))
    log.publish("click", "8.3.0", auditors=[key], publisher=key)
    log.expire(key)
    log.revoke(key)
    log.new_generation(message="lost")
    assert len(log.commits) == 9
    places = [wire.decode_commit_envelope(log.objects["commit", name]).commit.position for name in log.commits]
    assert places == [(0, at) for at in range(8)] + [(1, 0)]
    assert len(log.operator_fingerprints) == 2


def test_faults_and_repair(sim):
    log = sim.log("alice")
    log.publish("flask", "3.1.2")
    url = f"{log.url}/log/commit/{log.head}"
    good = fetch(url)
    log.corrupt("commit", log.head)
    assert fetch(url) != good
    log.truncate("commit", log.head)
    assert fetch(url) == good[:-1]
    log.hide("commit", log.head)
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        fetch(url)
    caught.value.close()
    log.down = 503
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        fetch(url)
    caught.value.close()
    log.repair()
    assert fetch(url) == good


def test_heads_that_lie(sim):
    log = sim.log("alice")
    log.publish("flask", "3.1.2")
    fork = log.fork("evil", at=0)
    fork.publish("click", "8.3.0")
    assert fork.commits[0] == log.commits[0]
    assert fork.head != log.head
    log.roll_back(1)
    assert fetch(f"{log.url}/log/head").hex() == log.commits[0]
    log.serve(b"short")
    assert fetch(f"{log.url}/log/head") == b"short"
    log.become(fork)
    assert fetch(f"{log.url}/log/head").hex() == fork.head


def test_stopping_and_starting_keeps_the_url(sim):
    log = sim.log("alice")
    url = log.url
    sim.stop()
    with pytest.raises(urllib.error.URLError):
        fetch(f"{url}/log/head")
    sim.start()
    assert log.url == url
    assert fetch(f"{url}/log/head").hex() == log.head


def test_compression_and_counting(sim):
    log = sim.log("alice")
    sim.compress = True
    path = f"/log/commit/{log.head}"
    assert fetch(log.url + path) == log.objects["commit", log.head]
    assert fetch(log.url + path, **{"Accept-Encoding": "zstd"}) == packed_zstd(log.objects["commit", log.head])
    assert sim.requests == [f"/alice{path}"] * 2


def test_write_project(sim, tmp_path):
    alice, bob = sim.log("alice"), sim.log("bob")
    bob.new_generation()
    alice.publish("flask", "3.1.2")
    folder = write_project(tmp_path / "p", [alice, bob], '[requirement]\nx = "y"\n', pins={"alice": alice.commits[0]})
    toml = tomli.loads((folder / "openvet.toml").read_text("utf-8"))
    assert toml == {"log": {"alice": {"url": alice.url}, "bob": {"url": bob.url}}, "requirement": {"x": "y"}}
    assert {name: pin.head for name, pin in read_pins(folder / "openvet.lock").items()} == {
        "alice": alice.commits[0],
        "bob": bob.head,
    }
    assert read_walked(folder / "openvet-install.lock")["bob"].operators == bob.operator_fingerprints
    bare = write_project(tmp_path / "q", [alice], lock=False)
    assert [path.name for path in bare.iterdir()] == ["openvet.toml"]
