"""`shell-init`: real shells, real wrappers; a script `pip` or `uv` on PATH tells that a function stepped aside."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.support.stage import BENIGN, NO, PROGRAMS, YES

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-c"],
    "zsh": ["zsh", "-f", "-c"],
    "fish": ["fish", "--no-config", "-c"],
}
INIT = {
    "bash": 'eval "$({init} bash)"',
    "zsh": 'eval "$({init} zsh)"',
    "fish": "{init} fish | source",
}


@pytest.fixture(params=SHELLS)
def shell(request):
    if shutil.which(request.param) is None:
        assert "CI" not in os.environ, f"{request.param} is missing"
        pytest.skip(f"no {request.param} here")
    return request.param


@pytest.fixture
def gated(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.policy()
    plain = stage.folder / "plain"
    plain.mkdir()
    for name in ("pip", "pip3", "uv", "uvx"):
        (plain / name).write_text(f'#!/bin/sh\necho "plain {name} $*"\n')
        (plain / name).chmod(0o755)
    stage.variables["PATH"] = f"{plain}{os.pathsep}{stage.variables['PATH']}"
    (stage.folder / "outside").mkdir()
    return stage


def run(stage, shell, script, *, cwd=None, env=None):
    init = INIT[shell].format(init=PROGRAMS / "openvet-install shell-init")
    command = [*SHELLS[shell], f"{init}\n{script}"]
    home = {"HOME": str(stage.folder)}
    return subprocess.run(
        command, cwd=cwd or stage.project, env=stage.variables | home | (env or {}), capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip


def guard(stage, text):
    folder = stage.folder / "config" / "openvet"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(f"[guard]\n{text}\n")


def test_in_a_project_every_spelling_is_gated(gated, shell):
    python = gated.environment / "bin"
    lines = [
        "pip install -q goodlib",
        "pip3 install -q bad; echo pip3=STATUS",
        f"cd sub; {python}/python --version; python -m pip install -q bad; echo module=STATUS",
        "python -Im pip install -q bad; echo joined=STATUS",
        "python -W ignore -X utf8 -s -Wd -m pip install -q bad; echo valued=STATUS",
        "python -c 'print(1)' -m pip; echo own=STATUS",
    ]
    (gated.project / "sub").mkdir()
    script = "\n".join(lines).replace("STATUS", "$status" if shell == "fish" else "$?")
    ended = run(gated, shell, script, env={"PATH": f"{python}{os.pathsep}{gated.variables['PATH']}"})
    assert "pip3=77" in ended.stdout, ended.stdout + ended.stderr
    assert "module=77" in ended.stdout
    assert "joined=77" in ended.stdout
    assert "valued=77" in ended.stdout
    assert "1\nown=0" in ended.stdout
    assert "plain" not in ended.stdout
    assert gated.installed == {"goodlib": "1.0"}


def test_outside_they_step_aside(gated, shell):
    ended = run(gated, shell, "pip install bad; pip3 list; uv sync; uvx x; pip --version", cwd=gated.folder / "outside")
    words = ["plain pip install bad", "plain pip3 list", "plain uv sync", "plain uvx x", "plain pip --version"]
    assert ended.stdout.splitlines() == words, ended.stderr


def test_strict_refuses_outside(gated, shell):
    guard(gated, "strict = true")
    ended = run(gated, shell, "pip install bad", cwd=gated.folder / "outside")
    assert ended.returncode == 78, ended.stderr
    assert "no policy" in ended.stderr


def test_an_excluded_folder_is_left_alone(gated, shell):
    guard(gated, 'strict = true\nexclude = ["~/project", "/no/such"]')
    ended = run(gated, shell, "pip install bad")
    assert ended.stdout == "plain pip install bad\n", ended.stderr


def test_activation_does_not_hide_them_and_undo_does(gated, shell):
    active = gated.folder / "active"
    active.mkdir()
    shutil.copy(gated.folder / "plain" / "pip", active / "pip")
    path = f"set -x PATH {active} $PATH" if shell == "fish" else f"PATH={active}:$PATH"
    ended = run(gated, shell, f"{path}\npip install -q goodlib\nopenvet_undo\npip install x")
    assert ended.stdout == "plain pip install x\n", ended.stderr
    assert gated.installed == {"goodlib": "1.0"}


def test_completion_of_a_name_stays(gated):
    init = INIT["bash"].format(init=PROGRAMS / "openvet-install shell-init")
    script = f'complete -W "a b" uv; {init}; complete -p uv'
    ended = subprocess.run(
        ["bash", "--norc", "-c", script], env=gated.variables, cwd=gated.project, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.stdout == "complete -W 'a b' uv\n", ended.stderr


@pytest.mark.parametrize("exclude", ["relative", "a\\nb"])
def test_an_exclude_that_is_no_folder_is_refused(gated, exclude):
    guard(gated, f'exclude = ["{exclude}"]')
    ended = gated.run("openvet-install", "shell-init", "bash")
    assert (ended.code, ended.out) == (64, "")


@pytest.mark.parametrize("name", ["a b", "it's", "$(touch marker)", "`touch marker`", 'a"b'])
def test_odd_folders_stay_text(gated, shell, name):
    folder = gated.folder / name
    folder.mkdir()
    text = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    guard(gated, f'strict = true\nexclude = ["{text}"]')
    (folder / "openvet.toml").write_text(BENIGN)
    ended = run(gated, shell, "pip install bad", cwd=folder)
    assert ended.stdout == "plain pip install bad\n", ended.stderr
    assert not list(gated.folder.rglob("marker"))


def test_powershell_is_generated(gated):
    guard(gated, 'strict = true\nexclude = ["/it\'s"]')
    ended = gated.run("openvet-install", "shell-init", "pwsh")
    assert "@('/it''s')" in ended.out
    assert "if ($true)" in ended.out
    assert "@PIP@" not in ended.out
