"""`demo`: real gated installs with the log that ships in the package, in a folder and environment of their own.

It uses the index that pip is configured with and the real wrappers as processes; afterwards nothing is left.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from openvet_install.errors import EXIT_BUG, EXIT_OK, EXIT_UNDECIDED
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN_SECONDS = 300
_ENTRY = "import sys; from openvet_install.cli.{module} import {name}; sys.argv[0] = '{program}'; {name}()"


class _Quiet(SimpleHTTPRequestHandler):
    """Serves the demo's log; says nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep the terminal for the demo."""


class _Stage(NamedTuple):
    """The demo's own folder with project and environment, and its variables."""

    project: Path
    environment: Path
    variables: Mapping[str, str]


def run(*, keep: bool = False) -> int:
    """Run the cases of `demo.toml`; 0 if all went as they should, 69 without network, else 70."""
    terminal = Terminal.of(sys.stdout, os.environ)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="openvet-demo-"))
        if not keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        data = stack.enter_context(as_file(files("openvet_install") / "demo"))
        told = tomllib.loads((data / "demo.toml").read_text("utf-8"))
        stage = _stage(folder, _serve(data, stack), told)
        good, undecided = 0, None
        for case in told["case"]:
            words = [case["tool"], *(["pip"] if case["tool"] == "uv" else []), "install", case["requirement"]]
            code, report, said = _call(stage, words)
            if report.get("outcome") == "undecided":
                undecided = said
                break
            sentence = _seen(case, code, report)
            good += sentence is not None
            command = f"openvet-{' '.join(words)}"
            told_now = f"{command:36}  {sentence or 'not as it should be':50}  exit {code}"
            terminal.line(f"{'✓' if sentence else '✘'} {told_now}")
            for line in _ours(said) if sentence else said.splitlines():
                terminal.line(f"    {plain(line, 300)}")
        if undecided is not None:
            terminal.line("demo: the index is out of reach")
            for line in _ours(undecided):
                terminal.line(f"    {plain(line, 300)}")
            return EXIT_UNDECIDED
        total = len(told["case"])
        where = f"kept in {folder}" if keep else "log and environment were its own and are removed"
        terminal.line(f"demo: {good} of {total} as they should be; {where}")
        return EXIT_OK if good == total else EXIT_BUG


def _serve(data: Path, stack: ExitStack) -> str:
    """Serve the log's folder on loopback; return its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(data)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}"


def _stage(folder: Path, url: str, told: dict[str, Any]) -> _Stage:
    project, environment = folder / "project", folder / "environment"
    project.mkdir()
    operators = ", ".join(f'"{one}"' for one in told["log"]["operators"])
    requirements = "\n".join(f'{name} = "{text}"' for name, text in told["requirement"].items())
    (project / "openvet.toml").write_text(
        f'[log.demo]\nurl = "{url}"\n\n[requirement]\n{requirements}\n\n'
        f'[install]\nmode = "block"\n\n[install.log.demo]\noperators = [{operators}]\n',
        encoding="utf-8",
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OPENVET_INSTALL_")}
    variables |= {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "STATE", "CONFIG")}
    variables |= {"VIRTUAL_ENV": str(environment), "NO_COLOR": "1"}
    subprocess.run(  # noqa: S603 - our own Python
        [sys.executable, "-I", "-m", "venv", "--without-pip", str(environment)], check=True, capture_output=True
    )
    stage = _Stage(project, environment, variables)
    subprocess.run(  # noqa: S603 - as above
        [*_command("manage", "main", "openvet-install"), "update", "--project", str(project)],
        env=dict(variables), cwd=project, check=True, capture_output=True, timeout=RUN_SECONDS,
    )  # fmt: skip
    return stage


def _command(module: str, name: str, program: str) -> list[str]:
    return [sys.executable, "-I", "-c", _ENTRY.format(module=module, name=name, program=program)]


def _call(stage: _Stage, words: list[str]) -> tuple[int, dict[str, Any], str]:
    """Run one wrapper; return its exit code, its JSON report and what it wrote to stderr."""
    report = stage.project / "report.json"
    command = _command("wrap", words[0], f"openvet-{words[0]}")
    ended = subprocess.run(  # noqa: S603 - as above
        [*command, *words[1:], f"--openvet-report=json:{report}"],
        env=dict(stage.variables), cwd=stage.project, capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
    )  # fmt: skip
    found = json.loads(report.read_text("utf-8")) if report.exists() else {}
    report.unlink(missing_ok=True)
    return ended.returncode, found, ended.stderr


def _seen(case: dict[str, Any], code: int, report: dict[str, Any]) -> str | None:
    """Say what happened if it is what should have happened."""
    if code != case["exit"]:
        return None
    if case["expect"] == "held-back":
        held = next((one for one in report["held_back"] if one["package"] == case["package"]), None)
        if held is None or held["chosen"] != case["version"]:
            return None
        return f"held back: {held['chosen']}, newest {held['newest']} is {held['reason']}"
    reasons = {one["reason"] for one in report["withheld"] if f"@{case['version']}?" in one["subject"]}
    if case["expect"] not in reasons or report["files"]:
        return None
    if case["expect"] == "unaudited":
        return "blocked, unaudited, its build code never ran"
    return f"blocked, {case['expect']}, nothing installed"


def _ours(said: str) -> list[str]:
    """Return our own lines: they stand below the tool's."""
    lines = said.splitlines()
    first = next(
        (
            number
            for number, line in enumerate(lines)
            if line.startswith("openvet: ") and not line.startswith("openvet: note")
        ),
        len(lines),
    )
    return lines[first:]
