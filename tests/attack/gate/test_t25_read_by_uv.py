"""T24, T25: what one tool alone makes of a wheel's bytes: a command, another project's metadata, a script's head."""

import subprocess

import pytest

from tests.support.attacks import BOTH, UV, everything, site, stopped
from tests.support.stage import PROGRAMS, YES

EGG = "one-1.0.data/data/evil-9.0.egg-info/PKG-INFO"


@BOTH
def test_commands_that_only_uv_makes(stage, tool):
    """uv gives each group of commands what stands in the section of defaults: before, `git` lay in the target."""
    points = "[DEFAULT]\ngit = one:main\n\n[console_scripts]\ntool = one:main\n"
    stage.wheel("one", "1.0", YES, entry_points=points)
    stage.policy()
    before = everything(stage)
    ended = stage.run(*tool, "one")
    stopped(stage, ended, 65, before=before)
    assert "outside of the groups of commands" in ended.err


@BOTH
def test_metadata_of_another_project_beside_the_packages(stage, tool):
    """With `--target` data and packages are one folder: `evil` counted as installed there."""
    stage.wheel("one", "1.0", YES, files={"one.py": "", EGG: "Metadata-Version: 1.0\nName: evil\nVersion: 9.0\n"})
    stage.policy()
    target = stage.folder / "target"
    ended = stage.run(*tool, "--target", str(target), "one")
    assert ended.code == 65, ended.err
    assert "another project's metadata" in ended.err
    assert not list(target.glob("*.egg-info"))


@BOTH
def test_metadata_of_another_project_in_what_was_built(stage, tool):
    """No archive that was opened had it, and the installed RECORD speaks for it: `evil` counted as installed."""
    told = {"evil-9.0.egg-info/PKG-INFO": "Metadata-Version: 1.0\nName: evil\nVersion: 9.0\n", "one.py": ""}
    stage.sdist("one", "1.0", YES, wheel_files=told)
    stage.policy()
    ended = stage.run(*tool, "one")
    assert ended.code == 65, ended.err
    assert "would be another project's metadata" in ended.err
    assert not list(site(stage).glob("*.egg-info/*"))


@pytest.mark.parametrize("more", [(), ("--relocatable",)], ids=["blank", "relocatable"])
def test_a_script_that_names_its_encoding_where_the_path_is_no_plain_one(stage, more):
    """uv repeats the encoding in a head of its own; another one there would be other code."""
    text = "#!python\n# -*- coding: latin-1 -*-\nprint('fine')\n"
    stage.wheel("one", "1.0", YES, files={"one.py": "", "one-1.0.data/scripts/go": text})
    stage.policy()
    place = stage.folder / "with blank"
    subprocess.run([str(PROGRAMS / "uv"), "venv", "-q", *more, str(place)], check=True, env=stage.variables)
    stage.variables["VIRTUAL_ENV"] = str(place)
    ended = stage.run(*UV, "one")
    assert ended.code == 0, ended.err
    script = place / "bin/go"
    assert b"# coding: latin-1" in script.read_bytes()
    assert subprocess.run([script], check=True, capture_output=True).stdout == b"fine\n"
    assert stage.run("openvet-install", "check", "--environment").code == 0
    script.write_bytes(script.read_bytes().replace(b"# coding: latin-1", b"# coding: utf-7"))
    ended = stage.run("openvet-install", "check", "--environment")
    assert ended.code == 65, ended.out
