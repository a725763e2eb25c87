"""`demo`: real gated installs with the log that ships in the package, in a folder and environment of their own.

It uses the index that pip is configured with and the real wrappers as processes; afterwards nothing is left.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tomli

from openvet_install.cli import own
from openvet_install.errors import EXIT_BUG, EXIT_OK, EXIT_UNDECIDED
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        told = tomli.loads((data / "demo.toml").read_text("utf-8"))
        stage = _stage(folder, own.serve(data, stack), told)
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
    own.bare_environment(environment)
    own.call("openvet-install", ["update", "--project", str(project)], variables, project).check_returncode()
    return _Stage(project, environment, variables)


def _call(stage: _Stage, words: list[str]) -> tuple[int, dict[str, Any], str]:
    """Run one wrapper; return its exit code, its JSON report and what it wrote to stderr."""
    report = stage.project / "report.json"
    command = [*words[1:], f"--openvet-report=json:{report}"]
    ended = own.call(f"openvet-{words[0]}", command, stage.variables, stage.project)
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
