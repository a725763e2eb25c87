"""T30: bytecode that Python calls equal to what a source compiles to, and that does something else when it runs."""

import importlib.util
import marshal
import sys
from pathlib import Path

import pytest

from openvet_install.installers.bytecode import unfaithful

SOURCE = """all = [len, abs, min]
def outer(*a):
    def inner():
        return [a[0], a[1], a[2]]
    return inner
"""


@pytest.fixture
def placed(tmp_path):
    source = tmp_path / "m.py"
    source.write_text(SOURCE)
    bytecode = tmp_path / "__pycache__" / f"m.{sys.implementation.cache_tag}.pyc"
    bytecode.parent.mkdir()

    def place(code):
        bytecode.write_bytes(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
        return str(bytecode), str(source)

    return place


def compiled(source=SOURCE):
    return compile(source, "elsewhere.py", "exec", dont_inherit=True)


def changed(code, depth, **what):
    """Change the code object that lies so deep."""
    if depth == 0:
        return code.replace(**what)
    inner = tuple(changed(one, depth - 1, **what) if hasattr(one, "co_code") else one for one in code.co_consts)
    return code.replace(co_consts=inner)


def test_what_it_compiles_to_is_faithful(placed):
    assert unfaithful(Path(sys.executable), [placed(compiled())]) == frozenset()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_stack_that_is_too_small(placed, depth):
    """Its values are written over what lies behind it: that is any code at all."""
    code = changed(compiled(), depth, co_stacksize=0)
    assert code == compiled()
    files = placed(code)
    assert unfaithful(Path(sys.executable), [files]) == {files[0]}
