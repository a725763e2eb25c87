"""T16, T38: what is aimed at our own process."""

import subprocess
import sys

import pytest

from tests.support.attacks import BOTH
from tests.support.stage import NO, PROGRAMS, YES

SHADOWED = ("json", "requests", "urllib3", "packaging", "pathlib", "typing", "ssl", "cryptography", "signal")


@pytest.fixture
def planted(stage):
    """A folder of modules by names that we import, each of which would write the marker."""
    folder = stage.folder / "planted"
    folder.mkdir()
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(f"open({str(stage.marker)!r}, 'a').write({name!r})\n")
    return folder


def test_the_planted_modules_are_an_attack(stage, planted):
    code = "import packaging"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(planted)}, check=False, capture_output=True)
    assert stage.marker.read_text().endswith("packaging")


@BOTH
@pytest.mark.parametrize("how", ["PYTHONPATH", "cwd"])
def test_no_variable_brings_modules_into_our_process(stage, planted, tool, how):
    stage.wheel("good", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.policy()
    names = {"PYTHONPATH": "." if how == "cwd" else str(planted), "PYTHONSTARTUP": str(planted / "json.py")}
    if how == "cwd":
        for path in planted.iterdir():
            path.rename(stage.project / path.name)
    names |= {"PYTHONBREAKPOINT": "json.x", "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "PYTHONINSPECT": "1"}
    assert stage.run(*tool, "bad", env=names).code == 77
    ended = stage.run(*tool, "good", env=names)
    assert ended.code == 0, ended.err
    assert ended.err.count("Traceback") == 0
    assert stage.installed == {"good": "1.0"}
    assert not stage.marker.exists()


def test_the_other_commands_too(stage, planted):
    stage.policy()
    ended = stage.run("openvet-install", "--help", env={"PYTHONPATH": str(planted)})
    assert (ended.code, ended.out.splitlines()[0].split()[:2]) == (0, ["usage:", "openvet-install"])
    assert not stage.marker.exists()


def test_what_passes_keeps_the_user_s_variables(stage, planted):
    """Handed over is everything: the tool is the user's own command then."""
    command = [str(PROGRAMS / "openvet-pip"), "--version"]
    subprocess.run(command, env=stage.variables | {"PYTHONPATH": str(planted)}, capture_output=True, check=False)
    assert stage.marker.exists()


def test_no_other_process_of_the_user_reads_our_memory(tmp_path):
    """Not dumpable: no ptrace, no `/proc/…/mem` and no core file with the run's key in it."""
    code = (
        "import ctypes, sys; from openvet_install.installers.sandbox import Sandbox\n"
        "with Sandbox('off'): print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "0"
