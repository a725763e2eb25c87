"""T73: without the extra nothing can be verified, which is never fine; with it, nothing is imported unasked."""

import os
import subprocess
import sys

import pytest

from tests.attack.provenance.conftest import RULE
from tests.support.stage import TIMEOUT, read_report

WATCHED = """
import os, sys
{block}
def watch(event, args):
    if event == "import" and args[0] == "sigstore.verify":
        os.write(2, b"imported for provenance\\n")
sys.addaudithook(watch)
sys.argv[0] = "openvet-uv"
from openvet_install.cli import wrap
wrap.uv()
"""
BLOCKED = 'sys.modules["sigstore"] = sys.modules["sigstore.models"] = None'


def run(supply, block=""):
    argv, report = supply.stage.command("openvet-uv", "pip", "install", "acme-sign")
    ended = subprocess.run(
        [sys.executable, "-I", "-c", WATCHED.format(block=block), *argv[1:]],
        env=supply.stage.variables | {"PATH": os.environ["PATH"]}, cwd=supply.stage.project, capture_output=True,
        text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    return ended, read_report(report)


def test_without_the_extra_it_is_missing(supply):
    supply.wheel()
    supply.policy()
    ended, report = run(supply, BLOCKED)
    assert ended.returncode == 77, ended.stderr
    (one,) = report["withheld"]
    assert one["reason"] == "provenance-missing"
    assert "cannot verify" in one["detail"]
    assert supply.stage.installed == {}


@pytest.mark.parametrize(("rules", "loaded"), [("", False), (RULE, True), (RULE.replace("acme-sign", "other"), False)])
def test_the_import_happens_only_where_a_rule_asks(supply, rules, loaded):
    supply.wheel()
    supply.policy(rules)
    ended, _report = run(supply)
    assert ended.returncode == 0, ended.stderr
    assert ("imported for provenance" in ended.stderr) == loaded
