"""Scripts that installers write: whether one starts its entry point with the target's Python, and does nothing else.

The text differs between pip and uv and their versions, so it is not compared but read: what a shell
or the kernel takes from the head, and the syntax tree of the rest.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

WRAPPER_BYTES = 16 * 2**10
"""No installer writes a longer one."""

_PLAIN = re.compile(rb"#!(/\S+)\n")
_OPTIONS = re.compile(rb"#!(/[^\n]+?)(?: -[A-Za-z]+)?\n")
_SHELL = re.compile(
    rb"#!/bin/sh\n"
    rb"'''exec' (\"[^\"$`\\\n]+\"|'(?:[^'\n]|'\"'\"')+'|[^\s\"'$`\\;&|<>()]+) \"\$0\" \"\$@\"\n"
    rb"' '''\n"
)
_QUOTE = "'\"'\"'"
"""How a shell takes a quote among others of its kind."""
_BESIDE = re.compile(
    rb"#!/bin/sh\n"
    rb"'''exec' \"\$\(dirname -- \"\$\(realpath -- \"\$0\"\)\"\)\"/'?(python[0-9.]*t?)'? \"\$0\" \"\$@\"\n"
    rb"' '''\n"
)
_CODED = re.compile(
    rb"#!/bin/sh\n# coding: ([-\w.]+)\n"
    rb"'''exec' (\"\$\(dirname -- \"\$\(realpath -- \"\$0\"\)\"\)\"/)?"
    rb"\"\$\(printf %b ((?:'\\'0[0-3][0-7]{2} ?)+)\)\" \"\$0\" \"\$@\"\n' '''\n"
)
"""uv's head of a script with an encoding of its own, repeated where Python looks for it; the path in octal."""
_OCTAL = re.compile(rb"0([0-3][0-7]{2})")
_CODING = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
"""How the first two lines of a source name its encoding, as Python finds it."""
_UTF8 = frozenset({b"utf-8", b"utf8"})
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*[tw]?", re.ASCII)
_CALLS = frozenset({"sys.exit", "re.sub", "sys.argv[0].endswith", "sys.argv[0].removesuffix"})
_MAIN = "__name__ == '__main__'"
_INNER = (
    ast.Assign,
    ast.Expr,
    ast.If,
    ast.Call,
    ast.Attribute,
    ast.Name,
    ast.Constant,
    ast.Subscript,
    ast.Slice,
    ast.UnaryOp,
    ast.expr_context,
    ast.unaryop,
)


def head_length(raw: bytes, folders: Collection[str], *, options: bool) -> int | None:
    """Return how many bytes choose the interpreter, or None unless that is a Python in one of `folders`.

    With `options` it is a script of a wheel's author: the first line may hold spaces and one option, as tools leave
    it, and an encoding may be named if the script's own next line names it.
    """
    if options and (match := _CODED.match(raw)) is not None:
        return match.end() if _is_coded(match, raw[match.end() :], folders) else None
    if (match := _BESIDE.match(raw)) is not None:
        return match.end()
    if (match := _SHELL.match(raw) or (_OPTIONS if options else _PLAIN).match(raw)) is None:
        return None
    path = match[1].decode("utf-8", "surrogateescape")
    path = path[1:-1].replace(_QUOTE, "'") if path[:1] == "'" else path.strip('"')
    return match.end() if _is_python(path, folders) else None


def _is_coded(match: re.Match[bytes], rest: bytes, folders: Collection[str]) -> bool:
    own = _CODING.match(rest.partition(b"\n")[0])
    path = bytes(int(digits, 8) for digits in _OCTAL.findall(match[3])).decode("utf-8", "surrogateescape")
    python = _PYTHON.fullmatch(path) is not None if match[2] else _is_python(path, folders)
    return own is not None and own[1] == match[1] and python


def _is_python(path: str, folders: Collection[str]) -> bool:
    folder, _, name = path.rpartition("/")
    return folder in folders and _PYTHON.fullmatch(name) is not None


def is_wrapper(raw: bytes, target: str, folders: Collection[str]) -> bool:
    """Whether the script runs `target` (`module:attribute`) with a Python of `folders`, and does nothing beside."""
    length = head_length(raw, folders, options=False)
    if length is None or len(raw) > WRAPPER_BYTES:
        return False
    said = filter(None, map(_CODING.match, raw.split(b"\n")[:2]))
    if b"\r" in raw or any(one[1].lower() not in _UTF8 for one in said):
        return False  # what we read could be other code than what runs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a stranger's text is not our warning
            tree = ast.parse(raw[length:].decode())  # text: an encoding further down is none for Python either
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    module, _, attribute = target.partition(":")
    root = attribute.split(".", 1)[0]
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    wanted = ast.dump(ast.parse(f"from {module} import {root}").body[0])
    if [ast.dump(node) for node in imports] != [wanted]:
        return False
    mains = [node for node in tree.body if isinstance(node, ast.If)]
    others = [node for node in tree.body if not isinstance(node, (ast.ImportFrom, ast.If))]
    return len(mains) == 1 and _is_main(mains[0], root, attribute) and all(map(_is_plain_import, others))


def what_else(raw: bytes | None, target: str, folders: Collection[str]) -> str:
    """Say what keeps a script from being a wrapper of `target`."""
    if raw is not None and head_length(raw, folders, options=False) is None:
        return "is not started by the Python of this environment, as where that was moved or copied"
    return f"does more than start `{target}`"


def _is_plain_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import) and all(one.name in {"re", "sys"} and not one.asname for one in node.names)


def _is_main(node: ast.If, root: str, attribute: str) -> bool:
    if node.orelse or ast.unparse(node.test) != _MAIN:
        return False
    calls = 0
    for part in (inner for statement in node.body for inner in ast.walk(statement)):
        if not isinstance(part, _INNER):
            return False
        if isinstance(part, ast.Name) and part.id not in {"re", "sys", root}:
            return False
        if isinstance(part, ast.Assign) and [ast.unparse(one) for one in part.targets] != ["sys.argv[0]"]:
            return False
        if isinstance(part, ast.Call):
            called = ast.unparse(part.func)
            if called not in _CALLS and called != attribute:
                return False
            calls += called == attribute
    return calls == 1
