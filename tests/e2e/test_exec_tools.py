"""Real tools that install by themselves, on real packages, below `exec`: a release that a no hides is not taken."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stage import NO, PROGRAMS, WARN, read_report, stage

pytestmark = pytest.mark.network
TOOLS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openvet-install-tests"
NAMES = ("tox", "nox", "pipx", "hatch", "build", "poetry")
PDM_OF = "2025-11-15"  # later ones import what their own dependencies no longer have, without us too
SIX = "4721f391ed90541fddacab5853f947aa0d3dc7d27b2e1e8eda2be8970586e274"  # six-1.17.0-py2.py3-none-any.whl
PROJECT = """\
[build-system]
requires = ["flit-core>=3.11,<4"]
build-backend = "flit_core.buildapi"

[project]
name = "demo"
version = "1.0"
description = "x"
requires-python = ">=3.10"
dependencies = ["six>=1.16"]
"""
SHOW = "import six; print(six.__version__)"


@pytest.fixture(scope="session")
def tools():
    """PATH with the tools on it, in environments outside of the checkout that are made once."""
    return os.pathsep.join([installed("tools", *NAMES), installed("pdm", "--exclude-newer", PDM_OF, "pdm")])


def installed(name, *words):
    place = TOOLS / name
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # several tests run at a time
        if not (place / "made").exists():
            uv = str(PROGRAMS / "uv")
            venv = [uv, "venv", "-q", "--clear", "--python", sys.executable, str(place)]
            subprocess.run(venv, check=True, timeout=120)
            python = f"--python={place / 'bin' / 'python'}"
            subprocess.run([uv, "pip", "install", "-q", python, *words], check=True, timeout=300)
            (place / "made").touch()
    return str(place / "bin")


@pytest.fixture
def gated(tmp_path):
    with stage(tmp_path) as found:
        for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "VIRTUAL_ENV"):
            del found.variables[name]
        found.log.publish("six", "1.17.0", variant="py2.py3-none-any", sha256=SIX, claims=NO)
        found.policy(WARN.replace('isolation = "off"', 'isolation = "auto"\nmax-lag = "20y"'))
        (found.project / "pyproject.toml").write_text(PROJECT)
        (found.project / "demo.py").write_text('"""x"""\n__version__ = "1.0"\n')
        yield found


def run(stage, tools, *argv, env=None):
    """Run a tool below `exec`; return how it ended and which releases went out, by name."""
    path = f"{tools}{os.pathsep}{stage.variables['PATH']}"
    home = stage.folder / "home"
    home.mkdir(exist_ok=True)
    report = stage.folder / "r.json"
    command = [str(PROGRAMS / "openvet-install"), "exec", f"--report=json:{report}", "--", *argv]
    ended = subprocess.run(
        command, cwd=stage.project, env=stage.variables | {"PATH": path, "HOME": str(home)} | (env or {}),
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    found = read_report(report)
    files = {one["purl"].removeprefix("pkg:pypi/") for one in found["files"]} if found else set()
    return ended, files


def holds(ended, files, *wanted):
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "six@1.17.0" not in files
    assert set(wanted) <= {one.partition("@")[0] for one in files}, files
    assert "1.16.0" in ended.stdout or "six" not in wanted, ended.stdout + ended.stderr


def test_tox(gated, tools):
    (gated.project / "tox.toml").write_text(
        f'env_list = ["a"]\n[env.a]\nskip_install = true\ndeps = ["six"]\ncommands = [["python", "-c", "{SHOW}"]]\n'
    )
    holds(*run(gated, tools, "tox", "run"), "six")


def test_nox(gated, tools):
    (gated.project / "noxfile.py").write_text(
        f"import nox\n\n\n@nox.session\ndef a(session):\n"
        f"    session.install('six')\n    session.run('python', '-c', {SHOW!r})\n"
    )
    holds(*run(gated, tools, "nox"), "six")


def test_pipx(gated, tools):
    holds(*run(gated, tools, "pipx", "run", "--no-cache", "--spec", "tabulate", "tabulate", "--help"), "tabulate")


def test_hatch(gated, tools):
    ended, files = run(gated, tools, "hatch", "run", "python", "-c", SHOW)
    holds(ended, files, "six", "flit-core")


def test_build(gated, tools):
    holds(*run(gated, tools, "pyproject-build", "--wheel"), "flit-core")
    assert (gated.project / "dist" / "demo-1.0-py3-none-any.whl").exists()


def test_poetry(gated, tools):
    from pip._internal.models.index import PyPI

    source = f'\n[[tool.poetry.source]]\nname = "index"\nurl = "{PyPI.simple_url}"\npriority = "primary"\n'
    (gated.project / "pyproject.toml").write_text(PROJECT + source)
    ended, files = run(gated, tools, "poetry", "install", "--no-interaction", "--no-root")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ended, _files = run(gated, tools, "poetry", "run", "python", "-c", SHOW)
    holds(ended, files, "six")


def test_pdm(gated, tools):
    ended, files = run(gated, tools, "pdm", "install", "--no-self", "-v")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ended, _files = run(gated, tools, "pdm", "run", "python", "-c", SHOW)
    holds(ended, files, "six")


def test_make(gated, tools):
    venv = gated.project / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=120)
    (gated.project / "Makefile").write_text(f'all:\n\tpip install six\n\t.venv/bin/python -c "{SHOW}"\n')
    holds(*run(gated, tools, "make"), "six")
