"""The user's program outside of the gate: its command, and the variables that uv itself would give it (threat T19)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH113, PTH118, PTH119, PTH120, PTH122

from __future__ import annotations

import os
import re
import shlex
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from openvet_install.errors import UsageError
from openvet_install.installers.environment import THROUGH
from openvet_install.installers.target import ToolStops, ask
from openvet_install.installers.wait import become

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.target import Target

DEPTH = "UV_RUN_RECURSION_DEPTH"
_INSTALLERS = re.compile(r"(?:pip[0-9.]*|uv|uvx|pipx)(?:\.exe)?", re.IGNORECASE)
_TAKES_VALUE = re.compile(r"[cmWX]")
_LONG_WITH_VALUE = "--check-hash-based-pycs"
"""Of Python's own options: the letters that end a cluster with a value, and the one long option that has one."""
_LOADED = (b"LD_PRELOAD", b"LD_AUDIT", b"LD_LIBRARY_PATH", b"DYLD_INSERT_LIBRARIES", b"DYLD_LIBRARY_PATH")
"""What names code for every process that starts; a file of variables sets none that are set, empty ones included."""
_PYTHONS = re.compile(r"python[0-9.]*t?", re.IGNORECASE)


class Program(NamedTuple):
    """What is to be started: `command[0]` is a path, or a word that is looked up on the environment's PATH."""

    command: tuple[str, ...]
    environment: Mapping[bytes, bytes]
    cwd: str

    def start(self, folder: Path | None = None, lock: int = -1) -> NoReturn:
        """Become the program. With a `folder` a small process stays beside it and removes that at the end.

        `lock` is the descriptor that holds the folder. What cannot be started is told as uv tells it, with its code.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        os.chdir(self.cwd)
        if folder is None:
            become(self.command, self.environment)
        os.set_inheritable(lock, True)
        script = Path(__file__).with_name("wait.py")
        waiting = [sys.executable, "-I", "-S", str(script), str(folder), str(lock), *self.command]
        os.execve(sys.executable, waiting, self.environment)  # noqa: S606 - our own script, with our own Python


def words_of(asked: Sequence[str], kind: str, target: Target, *, cwd: str, stdin: bytes) -> tuple[str, ...]:
    """Return the command that uv would start for the words behind its options.

    `kind`: `--module`, `--script`, or empty for what the first word itself says; `stdin` holds the script that `-`
    stands for.
    """
    python, (first, *rest) = str(target.python), asked
    place = os.path.join(cwd, first)
    if first == "-":
        return (python, "-c", os.fsdecode(stdin), *rest)
    if kind == "--module":
        return (python, "-m", first, *rest)
    if first.lower() == "python" and not kind:
        return (python, *rest)
    if not kind and _is_folder(place):
        entry = str(target.scripts / first)
        return (entry, *rest) if os.access(entry, os.X_OK) and os.path.isfile(entry) else (python, first, *rest)
    if kind or is_script(place) or _is_zipapp(place):
        return (python, first, *rest)
    return (first, *rest)


def folder_of(asked: Sequence[str], kind: str, cwd: str) -> str:
    """Return the folder from which on uv looks for the project of the words; empty where that is the working folder.

    That of a script, of a folder of Python or of an archive of it; `kind` is that of `words_of`.
    """
    first = asked[0]
    place = os.path.join(cwd, first)
    python = kind or (first.lower() != "python" and (is_script(place) or _is_folder(place) or _is_zipapp(place)))
    return os.path.dirname(first.rstrip("/")) if python and first != "-" and kind != "--module" else ""


def is_script(path: str) -> bool:
    """Tell whether uv takes a file for a script by its name alone."""
    return os.path.splitext(path)[1].lower() in (".py", ".pyc", ".pyw") and os.path.isfile(path)


def _is_folder(path: str) -> bool:
    return os.path.isfile(os.path.join(path, "__main__.py"))


def _is_zipapp(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return not archive.getinfo("__main__.py").is_dir()
    except (OSError, KeyError, zipfile.BadZipFile):
        return False


def refuse_installers(command: Sequence[str], said: str, environ: Mapping[str, str]) -> None:
    """Raise `UsageError` for an installer as the program: outside of the gate it would install anything (T18).

    Below `exec` it is not outside of one.
    """
    if environ.get(THROUGH):
        return
    first, *rest = command
    name = os.path.basename(first)
    if _PYTHONS.fullmatch(name):
        name, rest = _module(rest)
    if _INSTALLERS.fullmatch(name):
        kind = name.lower()
        ours = "openvet-install exec -- pipx" if kind.startswith("pipx") else "openvet-uv tool run"
        if not kind.startswith(("pipx", "uvx")):
            ours = "openvet-pip" if kind.startswith("pip") else "openvet-uv"
        raise UsageError(
            f"`{name}` under `{said}` is refused: it would install outside of the gate",
            hint=f"{ours} {shlex.join(rest)}".rstrip(),
        )


def _module(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the module that Python's own arguments name, and what follows; empty when it is none."""
    items = list(arguments)
    while items and items[0].startswith("-") and items[0] not in ("-", "--"):
        item = items.pop(0)
        if item.startswith("--"):
            items = items[item == _LONG_WITH_VALUE :]
            continue
        letter = _TAKES_VALUE.search(item)
        if letter is None:
            continue
        value = item[letter.end() :]
        if not value and items:
            value = items.pop(0)
        if letter[0] in "cm":
            return (value, items) if letter[0] == "m" else ("", [])
    return "", []


def variables(
    environ: Mapping[bytes, bytes], uv: str, folders: Sequence[Path], *, virtual: Path | None, depth: int | None
) -> dict[bytes, bytes]:
    """Return the user's variables with those that uv sets: `folders` in front of PATH, the `virtual` environment.

    `depth`: how often `uv run` stands in itself, None where uv does not say it.
    """
    before = environ[b"PATH"].split(b":") if b"PATH" in environ else []
    path = [*dict.fromkeys(os.fsencode(folder) for folder in folders), *before]
    found = {**environ, b"PATH": b":".join(path), b"UV": os.fsencode(os.path.realpath(uv))}
    if depth is not None:
        found[DEPTH.encode()] = str(depth).encode()
    if virtual is not None:
        found[b"VIRTUAL_ENV"] = os.fsencode(virtual)
    return found


def check_files(uv: str, files: Sequence[str], environ: Mapping[bytes, bytes], cwd: str) -> None:
    """Let uv read `--env-file` and say what it has to say; nothing is loaded that a file names.

    Raises `ToolStops` with uv's words.
    """
    sys.stderr.write(_told(uv, files, {**dict.fromkeys(_LOADED, b""), **environ}, cwd)[1])


def from_files(uv: str, files: Sequence[str], environ: Mapping[bytes, bytes], cwd: str) -> dict[bytes, bytes]:
    """Let uv read `--env-file`, and return the variables that it adds, when the program may start: they steer uv, too.

    Raises `ToolStops` with uv's words.
    """
    out, _said = _told(uv, files, environ, cwd)
    pairs = (entry.partition(b"=") for entry in out.split(b"\0") if entry)
    own = {b"UV", b"VIRTUAL_ENV", b"PATH", DEPTH.encode(), *environ}
    return {name: value for name, _, value in pairs if name not in own}


def _told(uv: str, files: Sequence[str], environ: Mapping[bytes, bytes], cwd: str) -> tuple[bytes, str]:
    plain = {os.fsdecode(name): os.fsdecode(value) for name, value in environ.items() if not name.startswith(b"UV_")}
    command = [uv, "run", "--no-project", "--no-config", "--no-cache", "--offline", "--no-python-downloads"]
    command += [f"--env-file={os.path.join(cwd, file)}" for file in files]
    ended = ask([*command, f"--python={sys.executable}", "--", "env", "-0"], plain, cwd)
    said = ended.stderr.decode(errors="replace")
    if ended.returncode != 0:
        raise ToolStops(said, ended.returncode)
    return ended.stdout, said
