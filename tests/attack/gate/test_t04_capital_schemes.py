"""T04, T07: `HTTP://host` is a folder to uv, beside the file that names it: a check-out can bring that folder."""

import pytest

from tests.support.attacks import UV, everything, plain, stopped
from tests.support.projects import in_project, write
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_sdist, sdist_name

NAMED = "HTTP://localhost/simple"
TABLE = f'[[{{}}index]]\nurl = "{NAMED}"\n'
WAYS = {
    "index-url": ["--index-url", NAMED, "evil"],
    "default-index": ["--default-index", NAMED, "evil"],
    "index": ["--index", f"side={NAMED}", "evil"],
    "find-links": ["--find-links", NAMED, "evil"],
    "file": ["-r", "index.txt"],
    "file with links": ["-r", "links.txt"],
}
FILES = {
    "index": TABLE.format(""),
    "flat": TABLE.format("") + 'format = "flat"\n',
    "index-url": f'index-url = "{NAMED}"\n',
    "find-links": f'find-links = ["{NAMED}"]\n',
    "pip": f'[pip]\nextra-index-url = ["{NAMED}"]\n',
}


@pytest.fixture
def stage(stage):
    place, name = stage.project / "HTTP:/localhost/simple", sdist_name("evil", "1.0")
    (place / "evil").mkdir(parents=True)
    for folder in (place, place / "evil"):
        (folder / name).write_bytes(make_sdist("evil", "1.0", marker=stage.marker))
    (place / "evil/index.html").write_text(f'<!DOCTYPE html><html><body><a href="{name}">{name}</a></body></html>')
    (stage.project / "index.txt").write_text(f"--extra-index-url {NAMED}\nevil\n")
    (stage.project / "links.txt").write_text(f"--find-links {NAMED}\nevil\n")
    stage.policy()
    return stage


def tried(stage, way, *words, env=None):
    other = stage.index.simple_url if "links" in way.lower() else ""
    env = {"UV_DEFAULT_INDEX": other, **(env or {})}
    assert plain(stage, UV, *words, env=env) == 0
    assert stage.marker.exists()
    stage.marker.unlink()
    stage.run("openvet-uv", "pip", "uninstall", "evil")
    before = everything(stage)
    stopped(stage, stage.run(*UV, *words, env=env), 64, 78, before=before)


@pytest.mark.parametrize("way", WAYS)
def test_on_the_command_line(stage, way):
    tried(stage, way, *WAYS[way])


@pytest.mark.parametrize(
    "name", ["UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"]
)
def test_in_a_variable(stage, name):
    tried(stage, name, "evil", env={name: NAMED})


def below(stage):
    """Work in a folder in which nothing is called as an address begins."""
    stage.project = stage.project / "sub"
    stage.project.mkdir()


@pytest.mark.parametrize("form", FILES)
def test_in_a_file(stage, form):
    (stage.project / "uv.toml").write_text(FILES[form])
    below(stage)
    tried(stage, form, "evil")


@pytest.mark.parametrize(
    "words", [["lock"], ["sync"], ["run", "python", "-V"], ["build"], ["add", "evil"]], ids=" ".join
)
def test_in_a_project(stage, words):
    build = '[build-system]\nrequires = ["evil"]\nbuild-backend = "evil"\n'
    in_project(stage)
    write(stage, "evil", more=TABLE.format("tool.uv.") + build)
    below(stage)
    ended = stage.run("openvet-uv", *words)
    assert ended.code == 78, ended.err
    assert not stage.marker.exists()


def test_in_an_approved_sdist(stage):
    more = f'[[tool.uv.index]]\nname = "side"\nurl = "{NAMED}"\nexplicit = true\n'
    more += '[tool.uv.sources]\nevil = { index = "side" }\n'
    stage.sdist("good", "1.0", YES, more_pyproject=more, build_requires=[])
    stage.policy(BENIGN)
    below(stage)
    before = everything(stage)
    stopped(stage, stage.run(*UV, "good"), 65, before=before)
