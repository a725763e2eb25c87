"""What `uv run` and tools read out of their words, and what their program gets."""

import os
import zipfile
from dataclasses import replace

import pytest

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers import program, receipts
from openvet_install.installers.fresh import separated
from openvet_install.installers.scripts import read_script
from openvet_install.installers.target import inspect, made_of
from openvet_install.installers.uv_tool import asked_for


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a,b", ["a", "b"]),
        ("a>=1,<2,b[x,y]==1 , c", ["a>=1,<2", "b[x,y]==1", "c"]),
        ("a[x,y]>1, !=2", ["a[x,y]>1, !=2"]),
        ("./a.whl", ["./a.whl"]),
    ],
)
def test_what_with_lists(value, words):
    assert list(separated([value])) == words


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("ruff", "ruff"), ("ruff@0.5", "ruff==0.5"), ("ruff@latest", "ruff"), ("ruff[x]@1.0", "ruff[x]==1.0"),
        ("ruff@v", "ruff@v"), ("python@3.12", "python@3.12"), ("ruff>=1", "ruff>=1"),
    ],
)  # fmt: skip
def test_what_a_tool_is_asked_for(word, asked):
    assert asked_for([], [word]) == asked


@pytest.mark.parametrize("word", ["x.py", "pypy", "cpython3.12", "pyodide@0.27"])
def test_what_is_no_tool(word):
    with pytest.raises(UsageError):
        asked_for([], [word])


def test_the_command_that_uv_would_start(tmp_path, user, target_prefix):
    target = inspect(str(target_prefix / "bin/python"), user)
    python = str(target.python)
    (tmp_path / "x.py").touch()
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__main__.py").touch()
    with zipfile.ZipFile(tmp_path / "app", "w") as archive:
        archive.writestr("__main__.py", "")
    cases = {
        ("x.py", "-v"): (python, "x.py", "-v"),
        ("pack", "a"): (python, "pack", "a"),
        ("app",): (python, "app"),
        ("Python", "-V"): (python, "-V"),
        ("none.py",): ("none.py",),
        ("tool", "--help"): ("tool", "--help"),
        ("-", "a"): (python, "-c", "\udcff", "a"),
    }
    for asked, command in cases.items():
        assert program.words_of(asked, "", target, cwd=str(tmp_path), stdin=b"\xff") == command
    assert program.words_of(("m", "a"), "--module", target, cwd=str(tmp_path), stdin=b"") == (python, "-m", "m", "a")
    assert program.words_of(("s",), "--script", target, cwd=str(tmp_path), stdin=b"") == (python, "s")


@pytest.mark.parametrize(
    "line",
    ["pip", "/x/pip3.12 install a", "python -m pip", "python3.11 -Im pip", "python -mpip", "uvx a", "PIPX run a"],
)
def test_installers_are_no_programs(line):
    with pytest.raises(UsageError, match="outside of the gate"):
        program.refuse_installers(line.split(), "uv run", {})
    program.refuse_installers(line.split(), "uv run", {"OPENVET_INSTALL_THROUGH": "http://gate"})


@pytest.mark.parametrize(
    "line", ["pipes", "python -c pip", "python x.py -m pip", "python -W m pip", "python", "pytest -m pip"]
)
def test_programs_are_none(line):
    program.refuse_installers(line.split(), "uv run", {})


def test_variables_of_a_program(tmp_path):
    found = program.variables({b"A": b"\xff"}, "/x/uv", [tmp_path, tmp_path], virtual=None, depth=None)
    assert found == {b"A": b"\xff", b"PATH": os.fsencode(tmp_path), b"UV": b"/x/uv"}


def test_metadata_of_a_script():
    block = b'# /// script\r\n# dependencies = ["a>1"]\r\n#\r\n# [tool.uv]\r\n# no-build = true\r\n# ///\r\n'
    found = read_script(b"\xef\xbb\xbf#!/x\r\n" + block + b"import a\r\n", "x.py")
    assert [str(one.requirement) for one in found.requirements] == ["a>1"]
    assert found.block == block.decode().replace("\r", "")
    assert read_script(b"import a\n", "x.py") is None
    assert read_script(b'# /// other\n# a = 1\n# ///\nx = "# /// script"\n', "x.py") is None
    with pytest.raises(ConfigError) as caught:
        read_script(b"#!/x\n# /// script\n# [tool.uv]\n# no-proxy = ['*']\n# ///\n", "x.py")
    assert caught.value.where == "x.py:4, key `tool.uv.no-proxy`"


def test_what_an_environment_was_made_of(user, target_prefix, tmp_path):
    target = inspect(str(target_prefix / "bin/python"), user)
    assert made_of(target) == target.version[:2]
    other = replace(target, prefix=tmp_path)
    assert made_of(other) is None
    (tmp_path / "pyvenv.cfg").write_text("home = /x\nversion_info = 3.99.1\n")
    assert made_of(other) == (3, 99)


@pytest.mark.parametrize("more", ["", 'index-strategy = "first-index"\n'])
def test_a_receipt_tells_nothing_of_us(tmp_path, more):
    plain = "[tool]\nrequirements = []\n" + (f"\n[tool.options]\n{more}" if more else "")
    ours = f'[tool]\nrequirements = []\n\n[tool.options]\n{more}link-mode = "copy"\n'
    (tmp_path / receipts.NAME).write_text(ours)
    receipts.put_back(tmp_path)
    assert (tmp_path / receipts.NAME).read_text() == plain
    receipts.put_back(tmp_path / "none")
