"""The generated documents are what the code says today, and the words of the others lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openvet_install.cli import options
from openvet_install.config import keys, publishers, reader
from openvet_install.decide import Reason
from tools import make_docs

ROOT = Path(__file__).resolve().parents[2]


def test_every_key_that_is_read_is_told():
    assert set(keys.INSTALL) == set(reader.INSTALL_KEYS)
    assert set(keys.EXEMPT) == set(reader.EXEMPT_KEYS)
    assert set(keys.LOG) == set(reader.LOG_KEYS)
    assert set(keys.PUBLISHER) == set(publishers.PUBLISHER_KEYS)


@pytest.mark.parametrize(
    ("name", "made"), [("reference.md", make_docs.reference), ("man/openvet-install.1", make_docs.man)]
)
def test_generated_documents_do_not_drift(name, made):
    assert (ROOT / "docs" / name).read_text("utf-8") == made(), "run python -m tools.make_docs"


def test_every_variable_of_ours_is_in_the_reference():
    found = set()
    for path in (ROOT / "openvet_install").rglob("*.py"):
        found |= set(re.findall(r"OPENVET_INSTALL_[A-Z]+(?:_[A-Z]+)*", path.read_text("utf-8")))
    assert found <= set(make_docs.VARIABLES)


def test_every_variable_in_the_reference_is_taken_and_no_other():
    told = {name for name in make_docs.VARIABLES if name.startswith(options.VARIABLE)}
    assert told == options.NAMED


def test_every_reason_has_its_trouble_told():
    text = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    for one in Reason:
        if one.klass.value in ("silence", "no", "broken"):
            assert f"`{one.code}`" in text, one.code


def test_links_between_documents_lead_somewhere():
    for path in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_that_shell(shell):
    ended = subprocess.run(
        [str(Path(sys.executable).parent / "openvet-install"), "completion", shell],
        capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )  # fmt: skip
    assert "baseline" in ended.stdout
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n", "/dev/stdin"], input=ended.stdout, text=True, check=True)
