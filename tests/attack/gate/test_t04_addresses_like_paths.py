"""T04: addresses that pip takes for paths of this machine: it looks into the working folder before it reads them."""

import pytest

from tests.support.attacks import PIP, everything, plain, stopped
from tests.support.stage import WARN, YES
from tests.support.wheels import make_sdist, sdist_name

WAYS = ["index", "typed", "-r", "links", "links in -r"]


def evil(stage, way):
    """Lay a package that nobody approved where the words of a command lead pip, and return these words.

    `//` counts as one slash in a path.
    """
    name = sdist_name("good", "1.0")
    stage.sdist("good", "1.0", YES)
    page = f"{stage.index.simple_url}/{'good' if way == 'index' else 'page'}/"
    direct = f"good @ {stage.index.file_url(name)}"
    place = stage.project / (direct if way in ("typed", "-r") else f"{page}{name}")
    place.parent.mkdir(parents=True)
    place.write_bytes(make_sdist("good", "1.0", marker=stage.folder / "evil"))
    (place.parent / "index.html").write_text(f'<a href="{name}">x</a>')
    (stage.project / "r.txt").write_text(f"{direct if way == '-r' else f'--find-links {page}'}\n")
    return {
        "index": ["good"],
        "typed": [direct],
        "-r": ["-r", "r.txt"],
        "links": ["--no-index", "--find-links", page, "good"],
        "links in -r": ["--no-index", "-r", "r.txt", "good"],
    }[way]


@pytest.mark.parametrize("way", WAYS)
def test_plain_pip_takes_them_for_paths(stage, way):
    assert plain(stage, PIP, *evil(stage, way)) == 0
    assert (stage.folder / "evil").exists()


@pytest.mark.parametrize("way", WAYS)
def test_under_the_gate(stage, way):
    words = evil(stage, way)
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*PIP, *words), 64, before=before)
    assert not (stage.folder / "evil").exists()


@pytest.mark.parametrize("command", ["download", "wheel", "lock"])
def test_other_commands(stage, command):
    words = evil(stage, "index")
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run("openvet-pip", command, *words), 64, before=before)
