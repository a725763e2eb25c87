"""T04: addresses that tools take for paths of this machine: they look for a path before they read an address."""

import os
from contextlib import nullcontext

import pytest

from openvet_install.errors import UsageError
from openvet_install.installers.sources import refuse_lookalikes
from tests.support.attacks import BOTH, PIP, UV, everything, plain, stopped
from tests.support.stage import WARN, YES
from tests.support.wheels import make_sdist, sdist_name

DIRECT = ["typed", "-r"]
WAYS = ["index", "extra index in -r", *DIRECT, "links", "links in -r"]
OF_UV = ["extra index in -r", "links in -r"]
"""Where plain uv looks for a path, too."""
NAME = sdist_name("good", "1.0")


def lay(stage, place):
    """Lay a package that nobody approved where a path is; `//` counts as one slash there."""
    place.parent.mkdir(parents=True)
    place.write_bytes(make_sdist("good", "1.0", marker=stage.folder / "evil"))
    (place.parent / "index.html").write_text(f'<a href="{NAME}">x</a>')


def evil(stage, way):
    """Lay it where the words of a command lead a tool, and return these words."""
    stage.sdist("good", "1.0", YES)
    page = f"{stage.index.simple_url}/{'good' if 'index' in way else 'page'}/"
    direct = f"good @ {stage.index.file_url(NAME)}"
    lay(stage, stage.project / (direct if way in DIRECT else f"{page}{NAME}"))
    line = {"-r": direct, "extra index in -r": f"--extra-index-url {stage.index.simple_url}\ngood"}
    (stage.project / "r.txt").write_text(line.get(way, f"--find-links {page}\ngood") + "\n")
    return {
        "index": ["good"],
        "typed": [direct],
        "links": ["--no-index", "--find-links", page, "good"],
        "links in -r": ["--no-index", "-r", "r.txt"],
    }.get(way, ["-r", "r.txt"])


def elsewhere(stage):
    """The index that nothing but the words of the command names is another one."""
    return {"UV_DEFAULT_INDEX": stage.index.simple_url.replace("simple", "other")}


@pytest.mark.parametrize("way", WAYS)
def test_plain_pip_takes_them_for_paths(stage, way):
    assert plain(stage, PIP, *evil(stage, way)) == 0
    assert (stage.folder / "evil").exists()


@pytest.mark.parametrize("way", OF_UV)
def test_so_does_plain_uv(stage, way):
    assert plain(stage, UV, *evil(stage, way), env=elsewhere(stage)) == 0
    assert (stage.folder / "evil").exists()


@pytest.mark.parametrize("way", WAYS)
@BOTH
def test_under_the_gate(stage, tool, way):
    words = evil(stage, way)
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, *words, env=elsewhere(stage)), 64, before=before)
    assert not (stage.folder / "evil").exists()


@pytest.mark.parametrize("command", ["download", "wheel", "lock"])
def test_other_commands(stage, command):
    words = evil(stage, "index")
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run("openvet-pip", command, *words), 64, before=before)


def test_another_folder_than_the_working_one(stage):
    stage.sdist("good", "1.0", YES)
    stage.policy(WARN)
    lay(stage, stage.project / "sub" / f"{stage.index.simple_url}/good" / NAME)
    (stage.project / "r.txt").write_text(f"--extra-index-url {stage.index.simple_url}\ngood\n")
    before = everything(stage)
    words = ["--directory", "sub", "pip", "install", "-r", "../r.txt"]
    stopped(stage, stage.run("openvet-uv", *words, env=elsewhere(stage)), 64, before=before)


@pytest.mark.parametrize("entered", [False, True])
def test_a_working_folder_that_nobody_may_list(tmp_path, monkeypatch, entered):
    """Where one may not even go into it, tools find nothing there."""

    def no(_folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", no)
    monkeypatch.setattr(os, "access", lambda _folder, _mode: entered)
    with pytest.raises(UsageError) if entered else nullcontext():
        refuse_lookalikes(str(tmp_path))
