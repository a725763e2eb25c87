"""Set up an environment of its own and run everything that checks the project.

    python3 tests/run.py [PYTEST-ARGUMENTS…]

Without CI=true, tests that need programs which are not here (the real OpenVet programs, a Docker
engine) are left out and named; with CI=true they fail.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv-tests"
CI = os.environ.get("CI") == "true"
PROGRAMS = Path(os.environ.get("OPENVET_BIN", Path.home() / ".cache" / "openvet-install-tests" / "bin"))


def call(*command: str) -> None:
    print("+", *command, flush=True)
    ended = subprocess.run(command, cwd=ROOT, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)


def set_up() -> str:
    python = str(ENVIRONMENT / "bin" / "python")
    if not Path(python).exists():
        venv.create(ENVIRONMENT, with_pip=True)
    call(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=26.3,<26.4")
    call(python, "-m", "pip", "install", "--quiet", "--editable", ".", "--group", "dev")
    return python


def left_out(python: str) -> list[str]:
    if CI:
        return []
    have = (PROGRAMS / "openvet").exists() or shutil.which("openvet")
    marks = [] if have else ["interop"]
    marks += [] if shutil.which("docker") else ["docker"]
    for mark in marks:
        print(f"left out: tests marked `{mark}`, what they need is not on this machine", flush=True)
    chosen = ["-m", " and ".join(f"not {mark}" for mark in marks)] if marks else []
    if subprocess.run([python, "-c", "import atheris"], capture_output=True, check=False).returncode:
        print("left out: tests/fuzz, there is no fuzzer for this Python", flush=True)
        chosen.append("--ignore=tests/fuzz")
    return chosen


def main() -> None:
    python = set_up()
    tools = ENVIRONMENT / "bin"
    call(str(tools / "ruff"), "check", ".")
    call(str(tools / "ruff"), "format", "--check", ".")
    call(str(tools / "mypy"))
    # one more than most machines have processors: tests wait, too
    call(python, "-m", "pytest", "-n", "3", "-q", *left_out(python), *sys.argv[1:])


if __name__ == "__main__":
    main()
