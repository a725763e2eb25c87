"""Audits carried by content in every command that judges files: a twin of what was read, one of what was refused."""

import hashlib
import json
import shutil
import subprocess
import time
from pathlib import Path

import pip
import pytest
from uv import find_uv_bin

from tests.e2e.test_commands import write_lock
from tests.support.indexsim import IndexSimulator
from tests.support.stage import BENIGN, NO, YES, make_environment
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

CARRY = BENIGN + 'carry = "content"\n'
MODULES = {"acme/__init__.py": "import acme.guard\n", "acme/guard.py": "SAFE = True\n"}
OTHER = MODULES | {"acme/guard.py": "SAFE = False\n"}
KINDS = pytest.mark.parametrize(
    ("original", "claims", "files", "reason"),
    [
        ("wheel", YES, MODULES, "carried"),
        ("sdist", YES, MODULES, "carried"),
        ("wheel", NO, MODULES, "contradicted"),
        ("wheel", YES, OTHER, "unaudited"),
    ],
)


class Twins:
    """A project that needs `acme`, of which another file was read; its environment is `.venv`."""

    def __init__(self, stage):
        self.stage = stage
        stage.environment = stage.project / ".venv"
        make_environment(stage.environment)
        del stage.variables["VIRTUAL_ENV"]

    def set_up(self, original, claims, files):
        tag = "py2-none-any" if original == "wheel" else "sdist"
        body = make_wheel("acme", "1.0", tag=tag, files=MODULES) if original == "wheel" else make_sdist(
            "acme", "1.0", files=MODULES)  # fmt: skip
        name = wheel_name("acme", "1.0", tag) if original == "wheel" else sdist_name("acme", "1.0")
        self.stage.index.add(body, filename=name)
        digest = hashlib.sha256(body).hexdigest()
        self.stage.log.publish("acme", "1.0", variant=tag, sha256=digest, claims=claims)
        self.original = f"pypi:acme@1.0?{tag}#sha256:{digest}"
        self.name = wheel_name("acme", "1.0")
        twin = make_wheel("acme", "1.0", files=files)
        self.digest = hashlib.sha256(twin).hexdigest()
        self.stage.index.add(twin, filename=self.name)
        write_lock(self.stage, "acme")
        self.stage.policy(CARRY)

    def judged(self, *argv):
        """Run a command and return what it reports of the twin; it ends as the decision says."""
        place = self.stage.project / "r.json"
        place.unlink(missing_ok=True)
        flag = "--report" if argv[0] == "openvet-install" else "--openvet-report"
        ended = self.stage.run(*argv, *(() if argv[0] != "openvet-install" else (f"{flag}=json:r.json",)))
        report = ended.report if ended.report is not None else json.loads(place.read_text())
        found = [one for one in (*report["files"], *report["withheld"]) if one["filename"] == self.name]
        assert len({one["reason"] for one in found}) == 1, (ended.err, report)  # a lock is told as wanted and withheld
        assert ended.code == (0 if found[0]["decision"] == "allow" else 77), ended.err
        if found[0]["reason"] == "carried":
            (audit,) = found[0]["requirements"][0]["audits"]
            assert audit["carried"] == self.original
        return found[0]["reason"]


@pytest.fixture
def twins(stage):
    return Twins(stage)


@KINDS
@pytest.mark.parametrize(
    "command",
    [
        ("openvet-uv", "sync"),
        ("openvet-uv", "lock"),
        ("openvet-uv", "lock", "-U"),
        ("openvet-install", "check"),
        ("openvet-uv", "pip", "install", "-r", "hashed.txt"),
        ("openvet-pip", "install", "--require-hashes", "-r", "hashed.txt"),
        ("openvet-install", "check", "hashed.txt"),
        ("openvet-pip", "download", "acme", "-d", "out"),
    ],
    ids=" ".join,
)
def test_each_command(twins, command, original, claims, files, reason):
    twins.set_up(original, claims, files)
    (twins.stage.project / "hashed.txt").write_text(f"acme==1.0 --hash=sha256:{twins.digest}\n")
    assert twins.judged(*command) == reason
    if "sync" in command:
        assert twins.stage.installed == ({"acme": "1.0"} if reason == "carried" else {})


@KINDS
def test_what_is_installed(twins, original, claims, files, reason):
    """The environment was made elsewhere, of the twin; nothing is in our store."""
    twins.set_up(original, claims, files)
    subprocess.run([find_uv_bin(), "sync", "-q", "--no-cache", "--no-install-project"], env=twins.stage.variables,
                   cwd=twins.stage.project, check=True)  # fmt: skip
    assert twins.stage.installed == {"acme": "1.0"}
    assert twins.judged("openvet-install", "check", "--environment") == reason


@KINDS
def test_explain(twins, original, claims, files, reason):
    twins.set_up(original, claims, files)
    ended = twins.stage.run("openvet-install", "explain", f"pypi:acme@1.0?py3-none-any#sha256:{twins.digest}")
    assert ended.code == (0 if reason == "carried" else 77)
    assert ended.out.splitlines()[0].endswith(f"    {reason}")
    if reason == "carried":
        assert f"carried from {twins.original.partition('#')[0]}" in ended.out


def test_a_program_that_is_run(twins):
    twins.set_up("wheel", YES, MODULES)
    ended = twins.stage.run(
        "openvet-uv", "run", "--no-project", "--with", "acme", "python", "-c", "import acme; print('ran')"
    )
    assert (ended.code, ended.out) == (0, "ran\n"), ended.err


def test_a_bundle_of_nothing_but_the_store(twins):
    """Once compared, a lock is judged again without any host of files."""
    twins.set_up("wheel", YES, MODULES)
    assert twins.judged("openvet-install", "check") == "carried"
    shutil.rmtree(twins.stage.folder / "cache" / "openvet-install" / "files")
    twins.stage.index.requests.clear()
    assert twins.judged("openvet-install", "check") == "carried"
    assert [one.path for one in twins.stage.index.requests] == []


@pytest.mark.parametrize("files", [MODULES, OTHER])
def test_a_pip_of_its_own_under_exec(twins, files):
    twins.set_up("wheel", YES, files)
    script = f"{twins.stage.environment}/bin/python {Path(pip.__file__).parent} install acme"
    ended = twins.stage.run("openvet-install", "exec", "--", "sh", "-ec", script)
    assert (ended.code == 0) is (files is MODULES), ended.err
    assert twins.stage.installed == ({"acme": "1.0"} if files is MODULES else {})


def test_what_is_installed_of_one_index_and_was_read_on_another(twins):
    twins.set_up("wheel", YES, MODULES)
    old = wheel_name("acme", "1.0", "py2-none-any")
    with IndexSimulator() as other:
        other.add(twins.stage.index.entries.pop(old).body, filename=old)
        twins.stage.variables |= {"PIP_EXTRA_INDEX_URL": other.simple_url, "UV_INDEX": other.simple_url}
        command = ("openvet-uv", "pip", "install", "--index-strategy", "unsafe-best-match", "acme")
        assert twins.judged(*command) == "carried"
        shutil.rmtree(twins.stage.folder / "cache" / "openvet-install")
        assert twins.stage.run("openvet-install", "check", "--environment").code == 0


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(("claims", "files", "reason"), [(YES, MODULES, "carried"), (NO, MODULES, "contradicted")])
@pytest.mark.parametrize("how", ["path", "url", "find-links"])
def test_a_twin_that_no_index_lists(twins, tool, how, claims, files, reason):
    twins.set_up("wheel", claims, files)
    folder = twins.stage.folder / "downloads"
    folder.mkdir()
    (folder / twins.name).write_bytes(twins.stage.index.entries[twins.name].body)
    url = twins.stage.index.file_url(twins.name)
    what = {"path": [str(folder / twins.name)], "url": [url], "find-links": ["--find-links", str(folder), "acme"]}[how]
    if how == "find-links":
        twins.stage.index.entries.pop(twins.name)
    command = ("openvet-pip", "install") if tool == "pip" else ("openvet-uv", "pip", "install")
    assert twins.judged(*command, *what) == reason


@pytest.mark.parametrize("slow", ["/simple/", "/files/"])
def test_an_index_that_answers_when_uv_has_ended(twins, slow):
    """An up-to-date lock asks no index: what it holds is judged afterwards, and that asks."""
    twins.set_up("wheel", YES, MODULES)
    twins.stage.index.lies.at_request = lambda _number, asked: time.sleep(2) if asked.startswith(slow) else None
    assert twins.judged("openvet-uv", "lock") == "carried"
