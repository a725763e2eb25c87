"""Logs made by the real `openvet` and `openvet-server`: throw-away keys, a throw-away server on loopback."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request
import zipfile
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from openvet_install.files import parse_filename, variant_of
from openvet_install.openvet.subject import PYPI, Subject, TaggedHash
from openvet_install.openvet.verdict import Outcome, Status
from tests.support.openvet_programs import programs
from tests.support.pypi_shim import PypiShim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from openvet_install.openvet.verdict import Audit, Policy

KINDS = {1: "commit", 2: "node", 3: "audit", 4: "keystate"}
START_SECONDS = 10
CALL_SECONDS = 60

_SUBJECT = re.compile(r"(?P<glyph>[✓✘]) (?P<coordinate>pypi:\S+)")
_REQUIREMENT = re.compile(r"[├└]─ (?P<name>[^:]+): [✘?] (?P<status>contradicted|not asserted)")


def tiny_wheel(folder: Path, name: str, version: str = "1.0") -> Path:
    """Write a small, whole wheel of a made-up package; the same call gives the same bytes."""
    stem = f"{name.replace('-', '_')}-{version}"
    members = {
        f"{name.replace('-', '_')}.py": f'"""{name} {version}"""\n',
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{path},sha256={_record_hash(text)},{len(text)}" for path, text in members.items()]
    members[record] = "\n".join([*lines, f"{record},,", ""])
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), text)
    return path


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def in_words(policy: Policy, subject: Subject, audits: Sequence[Audit]) -> tuple[str, dict[str, str]]:
    """Our verdict in the words of `Checked`; `check` counts every subject without an audit as unaudited."""
    if not audits:
        return "unaudited", {}
    verdict = policy.verdict(subject, audits)
    words = {Status.CONTRADICTED: "contradicted", Status.NOT_ASSERTED: "not asserted"}
    missed = {one.name: words[one.status] for one in verdict.requirements if one.status in words}
    return ("pass" if verdict.outcome is Outcome.PASS else "fail"), missed


def subject_of(file: Path, *, spelling: str | None = None) -> Subject:
    """Return the subject that an audit of this file names."""
    name, version, _ = parse_filename(file.name)
    digest = hashlib.sha256(file.read_bytes()).digest()
    return Subject(PYPI, spelling or name, version, variant_of(file.name), TaggedHash("sha256", digest))


class OpenvetError(AssertionError):
    """A program of OpenVet ended with a code that was not expected; its output is the message."""


@dataclass(frozen=True)
class Checked:
    """What `openvet check --verbose` said: per coordinate the verdict, and the requirements that did not pass."""

    exit: int
    verdicts: dict[str, str]
    requirements: dict[str, dict[str, str]]
    skipped: tuple[str, ...]
    text: str


def read_check(text: str, code: int) -> Checked:
    """Read the output of `check`; a line that is not understood is an error, not a pass."""
    verdicts: dict[str, str] = {}
    requirements: dict[str, dict[str, str]] = {}
    skipped = []
    current = ""
    for line in text.splitlines():
        if subject := _SUBJECT.fullmatch(line):
            current = subject["coordinate"]
            if current in verdicts:
                raise OpenvetError(f"two subjects with the coordinate {current}")
            verdicts[current] = "pass" if subject["glyph"] == "✓" else "fail"
            requirements[current] = {}
        elif line.startswith("! "):
            skipped.append(line[2:])
        elif line.endswith("─ no matching audit"):
            verdicts[current] = "unaudited"
        elif told := _REQUIREMENT.fullmatch(line):
            requirements[current][told["name"]] = told["status"]
        elif line[:1] in {"│", " "} or not line or line.startswith(("Summary: ", "error: ")):
            continue
        else:
            raise OpenvetError(f"not understood in the output of check: {line}\n{text}")
    return Checked(code, verdicts, requirements, tuple(skipped), text)


class RealServer:
    """An `openvet-server` in a temporary folder, with as many logs as are asked for.

    Everything a program could keep lies below `folder`: home, configuration, cache, keys.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._shim = PypiShim()
        self._logs: dict[str, RealLog] = {}
        self.base = ""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(self._shim)
        port = _free_port()
        self.base = f"http://127.0.0.1:{port}"
        log = self._stack.enter_context((self.folder / "server.log").open("wb"))
        command: list[str | Path] = [programs().server, "--db", self._db, "serve", "--bind", f"127.0.0.1:{port}"]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment())
        self._stack.callback(_stop, server)
        _wait_for(port, server)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def _db(self) -> Path:
        return self.folder / "server.db"

    def environment(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **kept,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "OPENVET_REGISTRY_PYPI_BASE": self._shim.url,
            "NO_COLOR": "1",
        }

    def log(self, name: str) -> RealLog:
        """Return the log of this name; the first call makes its key and genesis."""
        if name not in self._logs:
            key = self.new_key(name)
            self._logs[name] = RealLog(self, name, key)
            self.run(programs().server, "--db", self._db, "init", name, key)
        return self._logs[name]

    def new_key(self, name: str) -> Path:
        """Make an unencrypted ed25519 key below the server's folder; returns the private file."""
        path = self.folder / f"{name}.key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        return path

    def offer(self, file: Path) -> None:
        """Let `openvet audit new` find this file."""
        self._shim.add(file)

    def openvet(self, *arguments: str | Path, cwd: Path | None = None, expect: tuple[int, ...] = (0,)) -> str:
        """Run `openvet --no-pager ...`; returns stdout and stderr together."""
        return self.run(programs().openvet, "--no-pager", *arguments, cwd=cwd, expect=expect)

    def reset(self, name: str, key: Path) -> None:
        """Start the next generation of a log."""
        self.run(programs().server, "--db", self._db, "reset", name, key)

    def update(self, project: Path) -> str:
        """Pin every log of a project."""
        return self.openvet("update", "--project", project)

    def check(self, project: Path) -> Checked:
        """Run `openvet check --verbose` in a project; exit codes 0 and 1 are answers."""
        done = self._call(programs().openvet, "--no-pager", "check", "--verbose", "--project", project)
        if done.returncode not in (0, 1) or "Summary: " not in done.stdout:
            raise OpenvetError(f"openvet check: exit {done.returncode}\n{done.stdout}")
        return read_check(done.stdout, done.returncode)

    def objects(self) -> list[tuple[str, str]]:
        """Every object of every log of this server as (kind, hex name): the whole history."""
        with closing(sqlite3.connect(f"{self._db.as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT namespace, hash FROM objects ORDER BY namespace, hash").fetchall()
        return [(KINDS[namespace], name.hex()) for namespace, name in rows]

    def run(self, *command: str | Path, cwd: Path | None = None, expect: tuple[int, ...] = (0,)) -> str:
        done = self._call(*command, cwd=cwd)
        if done.returncode not in expect:
            raise OpenvetError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
        return done.stdout

    def _call(self, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )


class RealLog:
    """One account: authors, signs and publishes audits of local files."""

    def __init__(self, server: RealServer, name: str, key: Path) -> None:
        self.server = server
        self.name = name
        self.key = key
        self._audits = 0

    @property
    def url(self) -> str:
        return f"{self.server.base}/{self.name}"

    @property
    def fingerprint(self) -> str:
        """The key as people compare it: `SHA256:` and base64 without padding."""
        return fingerprint_of(self.key)

    def head(self) -> str:
        return self.fetch("head").hex()

    def fetch(self, path: str) -> bytes:
        """The identity bytes of an object below `/log/`."""
        with urllib.request.urlopen(f"{self.url}/log/{path}", timeout=CALL_SECONDS) as answer:
            body: bytes = answer.read()
        return body

    def export(self, folder: Path) -> None:
        """Write the log as a static folder `log/...`; right only on a server with this one log."""
        for kind, name in self.server.objects():
            target = folder / "log" / kind / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.fetch(f"{kind}/{name}"))
        (folder / "log" / "head").write_bytes(self.fetch("head"))

    def publish(
        self,
        file: Path,
        claims: Mapping[str, bool],
        *,
        summary: str = "made for a test",
        report: str = "",
        spelling: str | None = None,
        update: bool = False,
        signed_by: Path | None = None,
    ) -> Subject:
        """Audit one file and publish it; returns its subject.

        `spelling` is the package name as the auditor types it (default: normalised); `update` replaces the
        audit that the log already has; `signed_by` is another key for the audit itself.
        """
        self.server.offer(file)
        subject = subject_of(file, spelling=spelling)
        self._audits += 1
        folder = self.server.folder / f"{self.name}-{self._audits}"
        folder.mkdir()
        self.server.openvet("audit", "new", "--no-vcs", str(subject.coordinate), cwd=folder)
        (workspace,) = folder.glob("audit-*")
        for claim, value in claims.items():
            self._audit(workspace, "claim", claim, str(value).lower())
        self._audit(workspace, "summary", summary)
        if report:
            self._audit(workspace, "report", report)
        self._audit(workspace, "sign", "--key", str(signed_by or self.key))
        more = ("--update",) if update else ()
        self._audit(workspace, "publish", "--log", self.url, "--key", str(self.key), *more)
        return subject

    def remove(self, subject: Subject) -> None:
        """Take the audit of a subject out of the log."""
        self.server.openvet("audit", "remove", str(subject), "--log", self.url, "--key", str(self.key))

    def add_key(self, key: Path, *capabilities: str) -> None:
        """Take a key into the keyset with `auditor`, `publisher` or `operator`."""
        caps = [word for capability in capabilities for word in ("--cap", capability)]
        self.server.openvet("keyset", "add", str(key), *caps, "--log", self.url, "--key", str(self.key))

    def reset(self, key: Path) -> None:
        """Begin a new generation with another key, as a host can do alone; it signs from now on."""
        self.server.reset(self.name, key)
        self.key = key

    def _audit(self, workspace: Path, *arguments: str) -> None:
        self.server.openvet("audit", *arguments, cwd=workspace)


def fingerprint_of(key: Path) -> str:
    """The fingerprint of a key file: `SHA256:` and base64 without padding."""
    told = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True).stdout
    return told.split()[1]


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve files below `folder` as they are, on loopback; gives the base URL."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise OpenvetError(f"openvet-server did not come up on port {port} (exit {server.poll()})")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
