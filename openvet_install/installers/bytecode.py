"""Whether bytecode is what its source compiles to: asked of the target's own Python, which is the one that reads it.

Compared are code objects, not bytes (marshal is free in how it writes them) and not headers: what is equal does no harm
under any header. Python calls code equal whose stack is too small for it, and that is any code at all.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COMPILE_SECONDS = 60.0
SECONDS_A_FILE = 0.05  # a module takes 1 to 2 ms

# Of another magic number: not readable here, so it cannot be told. `-S`: nothing of the target's packages runs.
_SCRIPT = """
import importlib.util, json, marshal, re, sys
unlike = ("co_stacksize", "co_nlocals", "co_qualname", "co_exceptiontable", "co_linetable")
def same(one, other):
    return one == other and all(
        getattr(one, name, None) == getattr(other, name, None) for name in unlike
    ) and all(same(*both) for both in zip(one.co_consts, other.co_consts) if hasattr(both[0], "co_code"))
false = []
for path, source in json.load(sys.stdin):
    try:
        with open(path, "rb") as file:
            raw = file.read()
        with open(source, "rb") as file:
            text = file.read()
        level = re.search(r"[.]opt-([12])[.]pyc$", path)
        wanted = compile(text, source, "exec", dont_inherit=True, optimize=int(level[1]) if level else 0)
        if raw[:4] != importlib.util.MAGIC_NUMBER or not same(marshal.loads(raw[16:]), wanted):
            false.append(path)
    except Exception:
        false.append(path)
json.dump(false, sys.stdout)
"""


def unfaithful(python: Path, files: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return those of the (bytecode, source) paths whose bytecode is not what `python` makes of the source.

    All of them when that cannot be told. Nothing is started for no files.
    """
    asked = sorted(files)
    every = frozenset(path for path, _source in asked)
    if not asked:
        return every
    try:
        ended = subprocess.run(  # noqa: S603 - the target's own Python, which pip or uv has just been run for
            [str(python), "-I", "-S", "-B", "-c", _SCRIPT],
            input=json.dumps(asked),
            env={},
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS + SECONDS_A_FILE * len(asked),
            check=False,
        )
        found = json.loads(ended.stdout) if ended.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return every
    return frozenset(found) if isinstance(found, list) else every
