"""T03: in a terminal uv asks whether a file was meant where a package is named, and reads it by itself."""

import os
import pty
import select
import subprocess
import time

import pytest

from tests.support.attacks import evil_sdist
from tests.support.projects import HEAD, state
from tests.support.stage import WARN, YES

SECONDS = 60
QUESTION = b"Did you mean"


def in_terminal(stage, *argv):
    """Run a wrapper whose streams are a terminal, say yes to all, and return its code and what it said."""
    here, there = pty.openpty()
    command, _report = stage.command(*argv)
    process = subprocess.Popen(
        command, env=stage.variables, cwd=stage.project, stdin=there, stdout=there, stderr=there, start_new_session=True
    )
    os.close(there)
    said, answered, end = b"", False, time.monotonic() + SECONDS
    while time.monotonic() < end:
        if select.select([here], [], [], 0.2)[0]:
            try:
                said += os.read(here, 65536)
            except OSError:
                break
        elif process.poll() is not None:
            break
        if QUESTION in said and not answered:
            answered = True
            os.write(here, b"y\r")
    os.close(here)
    return process.wait(SECONDS), said


LISTS = ["requirements.txt", "more.in", "pylock.toml"]
COMMANDS = [
    ["add"],
    ["run", "--no-project", "--with"],
    ["tool", "run", "--with"],
    ["tool", "install", "good", "--with"],
    ["tool", "install", "good", "--with-executables-from"],
]
CASES = [(["pip", "install"], [*LISTS, "pyproject.toml", "setup.py"]), *((words, LISTS[:1]) for words in COMMANDS)]


@pytest.mark.parametrize(
    ("words", "name"), [(words, name) for words, names in CASES for name in names],
    ids=lambda one: one if isinstance(one, str) else " ".join(one),
)  # fmt: skip
def test_a_file_that_is_named_like_a_package(stage, words, name):
    path = evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    texts = {
        "pyproject.toml": f'{HEAD}dependencies = ["evil"]\n[tool.uv.sources]\nevil = {{ path = "{path}" }}\n',
        "setup.py": f"open({str(stage.marker)!r}, 'w')",
    }
    (stage.project / "pyproject.toml").write_text(f"{HEAD}dependencies = []\n")
    (stage.project / name).write_text(texts.get(name, f"evil @ {path.as_uri()}\n"))
    stage.variables |= {"UV_TOOL_DIR": str(stage.folder / "tools"), "UV_TOOL_BIN_DIR": str(stage.folder / "bin")}
    before = state(stage)
    code, said = in_terminal(stage, "openvet-uv", *words, name, *(["true"] if "run" in words else []))
    assert QUESTION not in said
    assert not stage.marker.exists()
    assert code == 64, said
    assert state(stage) == before
    assert f"`{name}` is the name of a file here".encode() in said
