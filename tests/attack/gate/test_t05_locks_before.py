"""T05, T20: to see whether a lock is up to date uv builds what the lock names: that is judged before uv starts."""

import tarfile

import pytest

from tests.support.attacks import evil_sdist
from tests.support.projects import HEAD, in_project, state, unchanged, write
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_sdist

UV = "openvet-uv"
DYNAMIC = 'dynamic = ["dependencies"]\n'
PROJECT = """version = 1
revision = 5
requires-python = ">=3.10"

[[package]]
name = "mine"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "evil" }]

[package.metadata]
requires-dist = [{ name = "evil" }]

"""
SCRIPT = PROJECT.partition("[[package]]")[0] + '[manifest]\nrequirements = [{ name = "evil" }]\n\n'
ENTRY = '[[package]]\nname = "evil"\nversion = "1.0"\n'
SOURCES = {
    "path": 'source = { path = "PATH" }\nsdist = { hash = "sha256:DIGEST" }\n',
    "directory": 'source = { directory = "FOLDER" }\n',
    "editable": 'source = { editable = "FOLDER" }\n',
    "behind a link": 'source = { directory = "link/../evil-1.0" }\n',
    "where we cannot read": 'source = { path = "PATH",\n}\nsdist = { hash = "sha256:DIGEST" }\n',
}


def lock(stage, head, kind):
    """Return a lock that leads to an sdist, or its folder, whose backend would leave a mark."""
    path = evil_sdist(stage)
    raw = make_sdist("evil", "1.0", marker=stage.marker, more_pyproject=DYNAMIC)
    path.write_bytes(raw)
    with tarfile.open(path) as archive:
        archive.extractall(path.parent, filter="data")
    (path.parent / "inner").mkdir()
    (stage.project / "link").symlink_to(path.parent / "inner")
    source = SOURCES[kind].replace("PATH", str(path)).replace("FOLDER", f"{path.parent}/evil-1.0")
    return f"{head}{ENTRY}{source}".replace("DIGEST", stage.wheel("evil", "1.0", YES, body=raw))


def fill(stage, kind):
    in_project(stage)
    (stage.project / ".git").mkdir()
    text = lock(stage, PROJECT, kind)
    stage.wheel("good", "1.0", YES)
    stage.policy(BENIGN)
    write(stage, "evil")
    (stage.project / "uv.lock").write_text(text)


@pytest.mark.parametrize(
    "words",
    [
        *(["lock"], ["lock", "--dry-run"], ["lock", "--check"], ["tree"], ["export"], ["sync"], ["sync", "-U"]),
        *(["add", "good"], ["remove", "evil"], ["version", "2.0"], ["run", "true"]),
    ],
    ids=" ".join,
)
def test_what_a_lock_of_somebody_else_names_is_not_built(stage, words):
    fill(stage, "path")
    before = state(stage)
    unchanged(stage, stage.run(UV, *words), before, 77)


@pytest.mark.parametrize("words", [["lock"], ["tree"]], ids=" ".join)
@pytest.mark.parametrize("kind", SOURCES)
def test_wherever_it_leads(stage, words, kind):
    fill(stage, kind)
    before = state(stage)
    ended = stage.run(UV, *words)
    unchanged(stage, ended, before, 64, 77)
    assert "uv.lock:" in ended.err


def test_a_folder_that_is_ours_has_no_requirements_by_address(stage):
    fill(stage, "path")
    folder = stage.project / "lib"
    folder.mkdir()
    uri = evil_sdist(stage).as_uri()
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["evil @ {uri}"]\nbuild-backend = "evil"\n{HEAD.replace("mine", "evil")}{DYNAMIC}'
    )
    (stage.project / "uv.lock").write_text(f'{PROJECT}{ENTRY}source = {{ directory = "lib" }}\n')
    stage.policy(f'{BENIGN}local-projects = ["."]\n')
    before = state(stage)
    unchanged(stage, stage.run(UV, "lock"), before, 77)


def test_a_folder_that_is_no_longer_there_is_no_fault(stage):
    fill(stage, "path")
    (stage.project / "uv.lock").write_text(f'{PROJECT}{ENTRY}source = {{ directory = "gone" }}\n')
    write(stage, "good")
    ended = stage.run(UV, "lock")
    assert ended.code == 0, ended.err
    assert "gone" not in (stage.project / "uv.lock").read_text()


@pytest.mark.parametrize("kind", [one for one in SOURCES if one != "behind a link"])
@pytest.mark.parametrize(
    "words", [["lock"], ["tree"], ["export"], ["add"], ["remove"], ["sync"], ["run"]], ids=" ".join
)
def test_nor_what_the_lock_of_a_script_names(stage, words, kind):
    text = lock(stage, SCRIPT, kind)
    stage.policy(BENIGN)
    (stage.project / "job.py").write_text(
        '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["evil"]\n# ///\n'
    )
    (stage.project / "job.py.lock").write_text(text)
    before = state(stage)
    more = {"run": ["job.py"], "add": ["--script", "job.py", "good"], "remove": ["--script", "job.py", "evil"]}
    ended = stage.run(UV, *words, *more.get(words[0], ["--script", "job.py"]))
    unchanged(stage, ended, before, 64, 77)
