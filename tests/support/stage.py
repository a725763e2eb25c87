"""A project, an environment, an index and a log of their own, and the real wrappers as processes."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from openvet_install.report.document import schema
from tests.support.indexsim import IndexSimulator
from tests.support.logsim import LogSimulator, write_project
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ISOLATION = os.environ.get("OPENVET_TEST_ISOLATION", "off")
"""Of every run on a stage that says nothing else; with `require` the attacks run in a network of their own."""
BENIGN = f'[requirement]\nbenign = "is-benign"\n\n[install]\nisolation = "{ISOLATION}"\n'
WARN = BENIGN + 'mode = "warn"\n'
YES, NO = {"is-benign": True}, {"is-benign": False}
PROGRAMS = Path(sys.executable).parent
TIMEOUT = 120


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    report: dict[str, Any] | None

    @property
    def ours(self) -> list[str]:
        """Our own lines: they stand below the tool's."""
        lines = self.err.splitlines()
        starts = [n for n, line in enumerate(lines) if re.match(r"openvet: (?!note)", line)]
        return lines[starts[0] :] if starts else []


class Stage:
    def __init__(self, folder: Path, index: IndexSimulator, logs: LogSimulator) -> None:
        self.folder = folder
        self.index = index
        self.logs = logs
        self.log = logs.log("alice")
        self.project = folder / "project"
        self.project.mkdir(parents=True)
        self.environment = folder / "environment"
        self.marker = folder / "marker"
        make_environment(self.environment)
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "TERM")
        self.variables = {name: os.environ[name] for name in keep if name in os.environ}
        # Tools that look for a Python find the one of the tests, which their wheels are for.
        self.variables["PATH"] = f"{Path(sys.base_prefix) / 'bin'}:{self.variables['PATH']}"
        self.variables |= {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "STATE", "CONFIG")}
        self.variables |= {
            "VIRTUAL_ENV": str(self.environment),
            "PIP_INDEX_URL": index.simple_url,
            "UV_DEFAULT_INDEX": index.simple_url,
            "COLUMNS": "1000",
        }

    def wheel(
        self, name: str, version: str, claims: Mapping[str, bool] | None = None, *, tag: str = "py3-none-any",
        body: bytes | None = None, offered: Mapping[str, Any] | None = None, **options: Any,
    ) -> str:  # fmt: skip
        """Offer a wheel on the index, and publish an audit of it if there are claims; return its sha256."""
        raw = body if body is not None else make_wheel(name, version, tag=tag, **options)
        self.index.add(raw, filename=wheel_name(name, version, tag), **(offered or {}))
        return self._audit(name, version, tag, raw, claims)

    def sdist(
        self, name: str, version: str, claims: Mapping[str, bool] | None = None, *,
        offered: Mapping[str, Any] | None = None, **options: Any,
    ) -> str:  # fmt: skip
        """Offer an sdist whose backend writes to `marker`; return its sha256."""
        raw = make_sdist(name, version, marker=self.marker, **options)
        self.index.add(raw, filename=sdist_name(name, version), **(offered or {}))
        return self._audit(name, version, "sdist", raw, claims)

    def _audit(self, name: str, version: str, variant: str, raw: bytes, claims: Mapping[str, bool] | None) -> str:
        digest = hashlib.sha256(raw).hexdigest()
        if claims is not None:
            self.log.publish(name, version, variant=variant, sha256=digest, claims=claims)
        return digest

    def policy(self, text: str = BENIGN, **more: Any) -> None:
        """Write the project's policy and pin the log's head."""
        if not self.log.history:
            self.log.publish("nothing-here", "1", claims={})
        write_project(self.project, [self.log], text, **more)

    def run(self, *argv: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Ended:
        """Run `openvet-pip`, `openvet-uv` or `openvet-install`; a wrapper that installs also reports."""
        command, report = self.command(*argv)
        ended = subprocess.run(
            command, env=self.variables | dict(env or {}), cwd=self.project, capture_output=True, text=True,
            timeout=TIMEOUT, check=False, input=stdin,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr, read_report(report))

    def command(self, *argv: str) -> tuple[list[str], Path]:
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        gated = argv[0] == "openvet-pip" and argv[1:2] in (("install",), ("download",), ("wheel",), ("lock",))
        words = ("sync", "lock", "add", "remove")
        gated = gated or (argv[0] == "openvet-uv" and (argv[1:3] == ("pip", "install") or argv[1] in words))
        more = [f"--openvet-report=json:{report}"] if gated else []
        return [str(PROGRAMS / argv[0]), *argv[1:], *more], report

    @contextmanager
    def running(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """Start a wrapper in a process group of its own, as a shell does; it is dead when the block ends."""
        command, _report = self.command(*argv)
        process = subprocess.Popen(
            command, env=self.variables, cwd=self.project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    @property
    def installed(self) -> dict[str, str]:
        """Names and versions in the environment."""
        infos = self.environment.glob("lib/python*/site-packages/*.dist-info")
        return dict(sorted(tuple(info.name.removesuffix(".dist-info").rsplit("-", 1)) for info in infos))

    @property
    def leftovers(self) -> list[str]:
        """What a run has left in the temporary folder: nothing, ever."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())


def read_report(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    validator().validate(found)
    return found


@cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def make_environment(folder: Path) -> None:
    """Make a virtual environment without pip, as `venv` would: a copy of one takes a fiftieth of the time."""
    model = _model()
    shutil.copytree(model, folder, symlinks=True, dirs_exist_ok=True)
    for path in (folder / "pyvenv.cfg", *(folder / "bin").glob("[Aa]ctivate*")):
        path.write_bytes(path.read_bytes().replace(os.fsencode(model), os.fsencode(folder)))


@cache
def _model() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="openvet-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True, capture_output=True)
    return made


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    with IndexSimulator() as index, LogSimulator() as logs:
        found = Stage(folder, index, logs)
        temporary = folder / "tmp"
        temporary.mkdir()
        found.variables["TMPDIR"] = str(temporary)
        yield found
