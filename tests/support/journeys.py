"""Transcripts as data: commands are run on a real pseudo-terminal, and what they show must be what is written.

A line that begins with `$ ` is a command for bash; two spaces and `# 77` behind it are its exit code (none: 0), two
spaces and `# words` what happens before it, by `between`. In what it shows the `MARKS` (`<hash>`, `<date>`, …) stand
for what differs from run to run, ` …` at its end for the rest of a line, a line of `…` for any number of lines.
"""

import os
import pty
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.stage import PROGRAMS

FOLDER = Path(__file__).resolve().parents[1] / "e2e" / "journeys"
SECONDS = 120
MARKS = {
    "hash": "[0-9a-f]{12}",
    "hex": "[0-9a-f]{64}",
    "commit": "[0-9a-f]{40}",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "n": r"\d+",
    "version": r"\d+(\.\d+)+",
    "size": r"\d+(\.\d+)? (B|bytes|kB|MB)",
    "key": "SHA256:[A-Za-z0-9+/]{43}",
    "index": r"https?://127\.0\.0\.1:\d+/simple",
    "files": r"https?://127\.0\.0\.1:\d+/files",
    "log": r"http://127\.0\.0\.1:\d+",
    "ago": r"(less than a minute|\d+ (minute|hour|day)s?)",
    "escaped": r"\d{4}\\-\d\d\\-\d\d",
    "trust": r"(, trust \S+)?",
    "cp": r"cp3\d+-cp3\d+",
    "short": "SHA256:[A-Za-z0-9+/]{4}…",
    "folder": r"/\S+",
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # of the tools: pip's errors are red whatever NO_COLOR says
_CODE = re.compile(r"  +# (?:(?P<code>\d+)|(?P<words>[^#]+?))$")


@dataclass
class Step:
    """One command of a transcript, and what it shows."""

    command: str
    code: int = 0
    before: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)


def steps(name):
    found = []
    for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        if not line.startswith("$ "):
            found[-1].lines.append(line)
            continue
        step = Step(line[2:])
        while (mark := _CODE.search(step.command)) is not None:
            step.command = step.command[: mark.start()].rstrip()
            if mark["code"]:
                step.code = int(mark["code"])
            else:
                step.before = (mark["words"], *step.before)
        found.append(step)
    return found


def play(stage, name, *, between=None, env=None):
    """Play `journeys/NAME.txt` in the stage's project; `between` maps the words of comments to what is done then."""
    for step in steps(name):
        for words in step.before:
            between[words]()
        code, shown = on_terminal(stage, step.command, env)
        wrong = difference(step.lines, shown)
        assert wrong is None, f"$ {step.command}\n{shown}\n--- {wrong}"
        assert code == step.code, f"$ {step.command}    # {code}\n{shown}"


def on_terminal(stage, command, env=None, *, interrupt_at=None):
    """Run a command with bash on a pseudo-terminal of its own; return its exit code and what was shown.

    With `interrupt_at` Ctrl-C is typed as soon as these bytes have been shown.
    """
    master, slave = pty.openpty()
    variables = {
        **{name: value for name, value in stage.variables.items() if name not in ("TERM", "COLUMNS")},
        "TERM": "xterm",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "PIP_PROGRESS_BAR": "off",
        "UV_NO_PROGRESS": "1",
        "PATH": f"{PROGRAMS}:{stage.variables['PATH']}",
        **(env or {}),
    }
    process = subprocess.Popen(
        ["setsid", "--ctty", "bash", "-c", command], cwd=stage.project, env=variables, stdin=slave, stdout=slave,
        stderr=slave,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
        if interrupt_at is not None and interrupt_at in shown:
            os.write(master, b"\x03")
            interrupt_at = None
    os.close(master)
    code = process.wait(timeout=SECONDS)
    return (128 - code if code < 0 else code), _COLOUR.sub("", shown.decode().replace("\r\n", "\n"))


def difference(expected, shown):
    """Say which line of a transcript is not as it should be; None if all are."""
    lines = shown.removesuffix("\n").split("\n") if shown else []
    at = 0
    skipping = False
    for line in expected:
        if line == "…":
            skipping = True
            continue
        wanted = re.compile(_pattern(line))
        found = next((n for n in range(at, len(lines)) if wanted.fullmatch(lines[n])), None)
        if found is None or (found != at and not skipping):
            return f"not as written: {line}"
        at, skipping = found + 1, False
    return None if at == len(lines) or skipping else f"not written: {lines[at]}"


def _pattern(line):
    parts = re.split(r"<(\w+)>", line)
    text = "".join(
        MARKS[part] if number % 2 and part in MARKS else re.escape(part) if not number % 2 else re.escape(f"<{part}>")
        for number, part in enumerate(parts)
    )
    return f"{text[: -len('…')]}.*" if line.endswith(" …") else text
