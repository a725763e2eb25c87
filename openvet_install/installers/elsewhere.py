"""Where pip puts things when it is told to put them elsewhere, and for which Python it then chooses files (T22).

Asked is our own pip, inside the target's Python: its folders depend on that Python and on how it was built.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH111, PTH118

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers.choice import is_inside_own, own_environment
from openvet_install.installers.target import ask
from openvet_install.installers.tokens import has, last_of, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token

FOLDERS = ("--target", "--prefix", "--root")
USER = ("--user", "--no-user")
PLATFORM = ("--platform", "--python-version", "--implementation", "--abi")

# The decision about `--user` is that of `pip._internal.commands.install`, whose import takes too long.
_SCRIPT = """
import json, site, sys
from importlib.machinery import PathFinder

class Ours:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [sys.argv[1]], target) if name == "pip" else None

sys.dont_write_bytecode = True
sys.meta_path.insert(0, Ours)
from pip._internal.locations import get_scheme
from pip._internal.utils.filesystem import test_writable_dir
from pip._internal.utils.virtualenv import virtualenv_no_global
asked = json.loads(sys.argv[2])
user, home, prefix, root = (asked[name] for name in ("user", "target", "prefix", "root"))
if user and (prefix or home or virtualenv_no_global() or not site.ENABLE_USER_SITE):
    user = False
elif user is None:
    found = get_scheme("", root=root)
    writable = all(map(test_writable_dir, {found.purelib, found.platlib}))
    user = not prefix and not home and bool(site.ENABLE_USER_SITE) and not writable
found = get_scheme("", user=user, home=home, root=root, prefix=prefix)
tags = None
if asked["python"] is not None:
    from pip._internal.models.target_python import TargetPython
    if asked["python"]["py_version_info"] is not None:
        asked["python"]["py_version_info"] = tuple(asked["python"]["py_version_info"])
    tags = [str(tag) for tag in TargetPython(**asked["python"]).get_sorted_tags()]
json.dump({"user": user, "tags": tags, **{name: getattr(found, name) for name in
           ("purelib", "platlib", "scripts", "data")}}, sys.stdout)
"""


def placed(
    target: Target, tokens: Sequence[Token], environ: Mapping[str, str], cwd: str, pip: str
) -> tuple[Target, tuple[str, ...]]:
    """Return the target as `pip install` would use it, folders and tags, and the options that say so to pip.

    `pip` is the folder that holds our pip's package. Nothing is started where nothing is said and pip can write to
    the target. Raises `UsageError` for our own environment, `ConfigError` when the Python does not answer.
    """
    said = {name: _folder(tokens, name, cwd) for name in FOLDERS}
    if said["--target"] and said["--prefix"]:
        raise UsageError("`--target` and `--prefix` cannot be used together")
    users = [token.flag.name == "--user" for token in tokens if token.flag and token.flag.name in USER]
    if not any(said.values()) and not users and not _speaks(tokens) and _is_writable(target):
        return target, ()
    user = users[-1] if users else None
    found = _asked(target, tokens, environ, pip, {"user": user, **{name[2:]: said[name] for name in FOLDERS}})
    folders = {name: Path(found[name]) for name in ("purelib", "platlib", "scripts", "data")}
    for folder in folders.values():
        if is_inside_own(str(folder)):
            raise own_environment(str(folder))
    data, purelib = folders["data"], folders["purelib"]
    result = replace(
        _for_python(target, tokens, found),
        prefix=data if any(said.values()) or found["user"] else target.prefix,
        purelib=purelib,
        platlib=folders["platlib"],
        scripts=folders["scripts"],
        data=data,
    )
    if said["--target"] is not None:
        result = replace(result, purelib=data, platlib=data, beside=purelib)
    options = [f"{name}={value}" for name, value in said.items() if value is not None]
    return result, (*options, "--user" if (found["user"] if user is None else user) else "--no-user")


def for_python(target: Target, tokens: Sequence[Token], environ: Mapping[str, str], pip: str) -> Target:
    """Return the target with the tags that `--platform` and its like make of it. Errors: `placed`."""
    if not _speaks(tokens):
        return target
    nowhere = dict.fromkeys(name[2:] for name in FOLDERS)
    return _for_python(target, tokens, _asked(target, tokens, environ, pip, {"user": False, **nowhere}))


def _asked(
    target: Target, tokens: Sequence[Token], environ: Mapping[str, str], pip: str, said: Mapping[str, object]
) -> dict[str, Any]:
    asked = {**said, "python": _python(tokens) if _speaks(tokens) else None}
    ended = ask([str(target.python), "-c", _SCRIPT, pip, json.dumps(asked)], environ, os.sep)
    try:
        found: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:
        last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ConfigError(f"`{target.python}` does not say where pip would install: {last or 'no answer'}") from error
    return found


def _for_python(target: Target, tokens: Sequence[Token], found: Mapping[str, Any]) -> Target:
    if found["tags"] is None:
        return target
    version = _version(last_of(tokens, "--python-version"))
    tags = tuple(map(str, found["tags"]))
    return replace(target, tags=tags, version=_three(version) if version is not None else target.version)


def _folder(tokens: Sequence[Token], name: str, cwd: str) -> str | None:
    value = last_of(tokens, name)
    if value is None:
        return None
    if not value:
        raise UsageError(f"`{name}` needs a folder")
    return os.path.abspath(os.path.join(cwd, os.path.expanduser(value)))


def _is_writable(target: Target) -> bool:
    return target.virtual or all(os.access(one, os.W_OK) for one in (target.purelib, target.platlib))


def _speaks(tokens: Sequence[Token]) -> bool:
    return any(has(tokens, name) for name in PLATFORM)


def _python(tokens: Sequence[Token]) -> dict[str, Any]:
    """Return what the options say about the Python that files are for, as pip's `TargetPython` takes it."""
    return {
        "platforms": values_of(tokens, "--platform") or None,
        "py_version_info": _version(last_of(tokens, "--python-version")),
        "abis": values_of(tokens, "--abi") or None,
        "implementation": last_of(tokens, "--implementation"),
    }


def _version(text: str | None) -> tuple[int, ...] | None:
    """Read `3.12`, `3`, `312` or `3.12.1`, as pip does. Raises `UsageError`."""
    if not text:
        return None
    parts = text.split(".")
    if len(parts) == 1 and len(text) > 1:
        parts = [text[0], text[1:]]
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"`--python-version={text}` is no version like 3, 3.12 or 3.12.1")
    return tuple(map(int, parts))


def _three(version: tuple[int, ...]) -> tuple[int, int, int]:
    major, minor, micro = (*version, 0, 0)[:3]
    return major, minor, micro
