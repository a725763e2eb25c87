"""T30: a command that does more than start its entry point, where only a reader that errs sees no more than that."""

import subprocess
from pathlib import Path

from tests.support.attacks import PIP
from tests.support.stage import YES

EVIL = """# no encoding is read from here on
# -*- coding: utf-7 -*-
+ACM-1 if 0 else open(%r, "w")
"""


def test_an_encoding_that_python_reads_no_more(stage):
    """By it the second line is a comment; without it, as Python reads, it is a program."""
    stage.wheel("one", "1.0", YES, files={"one.py": "def main(): pass\n"}, entry_points={"tool": "one:main"})
    stage.policy()
    assert stage.run(*PIP, "one").code == 0
    command = Path(stage.environment / "bin/tool")
    head, line, rest = command.read_text().partition("\n")
    rest = "".join(f"{one}\n" for one in rest.splitlines() if not one.startswith("#"))
    command.write_text(head + line + EVIL % str(stage.marker) + rest)
    assert subprocess.run([command], check=False).returncode == 0
    assert stage.marker.exists()
    ended = stage.run("openvet-install", "check", "--environment")
    assert ended.code == 65, ended.out
    assert "does more than start one:main" in ended.out


def test_an_environment_that_was_moved_is_called_that(stage):
    """Its commands start the Python of the place where they were made."""
    stage.wheel("one", "1.0", YES, files={"one.py": "def main(): pass\n"}, entry_points={"tool": "one:main"})
    stage.policy()
    assert stage.run(*PIP, "one").code == 0
    moved = stage.environment.rename(stage.folder / "moved")
    ended = stage.run("openvet-install", "check", "--environment", "--python", str(moved))
    assert ended.code == 65, ended.out
    assert "bin/tool is not started by the Python of this environment" in ended.out
