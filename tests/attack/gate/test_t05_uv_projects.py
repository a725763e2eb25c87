"""T05, T07, T41, T52: where a project of uv may lead, before anything is resolved."""

import pytest

from tests.support.attacks import evil_sdist
from tests.support.indexsim import IndexSimulator
from tests.support.projects import HEAD, in_project, lock_of, plain_uv, state, unchanged, write
from tests.support.stage import WARN, YES
from tests.support.wheels import make_wheel

UV = "openvet-uv"


@pytest.fixture
def stage(stage):
    found = in_project(stage)
    (found.project / ".git").mkdir()
    return found


def fake_git(stage):
    """A git on PATH that leaves a mark when it is started."""
    folder = stage.folder / "programs"
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\ntouch {stage.marker}\nexit 1\n")
    (folder / "git").chmod(0o755)
    stage.variables["PATH"] = f"{folder}:{stage.variables['PATH']}"


GIT = "git+https://example.invalid/evil"


@pytest.mark.parametrize("place", ["dependencies", "extra", "group", "dev", "build", "git", "url", "archive"])
@pytest.mark.parametrize("command", ["lock", "sync"])
def test_what_no_index_lists(stage, place, command):
    fake_git(stage)
    path = evil_sdist(stage)
    stage.policy(WARN)
    text = {
        "dependencies": f'dependencies = ["evil @ {GIT}"]\n',
        "extra": f'[project.optional-dependencies]\nx = ["evil @ {path.as_uri()}"]\n',
        "group": f'[dependency-groups]\nx = ["evil @ {GIT}"]\n',
        "dev": f'[tool.uv]\ndev-dependencies = ["evil @ {path.as_uri()}"]\n',
        "build": f'[build-system]\nrequires = ["evil @ {path.as_uri()}"]\nbuild-backend = "evil"\n',
        "git": 'dependencies = ["evil"]\n[tool.uv.sources]\nevil = { git = "https://example.invalid/evil" }\n',
        "url": 'dependencies = ["evil"]\n[tool.uv.sources]\nevil = { url = "https://example.invalid/evil-1.0.zip" }\n',
        "archive": f'dependencies = ["evil"]\n[tool.uv.sources]\nevil = {{ path = "{path}" }}\n',
    }[place]
    (stage.project / "pyproject.toml").write_text(HEAD + text)
    before = state(stage)
    ended = stage.run(UV, command)
    unchanged(stage, ended, before, 77)
    assert "direct-reference" in ended.err


@pytest.mark.parametrize("what", [GIT, f"evil @ {GIT}", "URL", "FILE", "evil @ FILE"])
def test_adding_what_no_index_lists(stage, what):
    fake_git(stage)
    path = evil_sdist(stage)
    stage.policy(WARN)
    write(stage)
    before = state(stage)
    word = what.replace("FILE", path.as_uri()).replace("URL", f"{stage.index.simple_url}/evil-1.0.tar.gz")
    unchanged(stage, stage.run(UV, "add", word), before, 77)


def test_adding_from_a_file_of_requirements(stage):
    stage.wheel("good", "1.0", YES)
    path = evil_sdist(stage)
    stage.policy(WARN)
    write(stage)
    (stage.project / "bad.txt").write_text(f"good\nevil @ {path.as_uri()}\n")
    (stage.project / "good.txt").write_text("good\n")
    before = state(stage)
    unchanged(stage, stage.run(UV, "add", "-r", "bad.txt"), before, 64)
    ended = stage.run(UV, "add", "-r", "good.txt")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert "/tmp" not in (stage.project / "pyproject.toml").read_text()


@pytest.mark.parametrize("how", ["members", "link", "source", "add"])
def test_folders_beyond_the_repository(stage, how):
    other = stage.folder / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text(HEAD.replace("mine", "other"))
    stage.policy(WARN)
    more = {
        "members": '[tool.uv.workspace]\nmembers = ["../other"]\n',
        "link": '[tool.uv.workspace]\nmembers = ["inner/*"]\n',
        "source": '[tool.uv.sources]\nother = { path = "../other" }\n',
        "add": "",
    }[how]
    if how == "link":
        (stage.project / "inner").mkdir()
        (stage.project / "inner" / "other").symlink_to(other)
    write(stage, *(["other"] if how == "source" else []), more=more)
    before = state(stage)
    words = ["add", "../other"] if how == "add" else ["lock"]
    ended = stage.run(UV, *words)
    unchanged(stage, ended, before, 64)
    assert "local-projects" in ended.err


def test_a_folder_of_ours_leads_nowhere_else(stage):
    """The folder is ours; its own sources are read by uv as well."""
    fake_git(stage)
    stage.policy(WARN)
    write(stage, "evil", folder="lib", name="lib",
          more='[tool.uv.sources]\nevil = { git = "https://example.invalid/evil" }\n')  # fmt: skip
    write(stage, "lib", more='[tool.uv.sources]\nlib = { path = "lib" }\n')
    before = state(stage)
    unchanged(stage, stage.run(UV, "lock"), before, 77)


def test_an_index_that_was_typed_is_gated_and_written_down_as_plain_uv_does(stage):
    stage.wheel("good", "1.0", YES)
    with IndexSimulator() as other:
        other.add(make_wheel("evil", "1.0"), filename="evil-1.0-py3-none-any.whl")
        other.add(make_wheel("good", "1.0"), filename="good-1.0-py3-none-any.whl")
        stage.policy()
        write(stage)
        before = state(stage)
        index = f"--index=side={other.simple_url}"
        unchanged(stage, stage.run(UV, "add", "evil", index), before, 77)
        text = (stage.project / "pyproject.toml").read_text()
        plain_uv(stage, "add", "good", index, "--no-sync")
        wanted, lock = (stage.project / "pyproject.toml").read_bytes(), lock_of(stage)
        (stage.project / "pyproject.toml").write_text(text)
        (stage.project / "uv.lock").unlink()
        ended = stage.run(UV, "add", "good", index)
        assert ended.code == 0, ended.err
        assert (stage.project / "pyproject.toml").read_bytes() == wanted
        assert lock_of(stage) == lock


@pytest.mark.parametrize("key", ['http-proxy = "http://127.0.0.1:1"', 'find-links = ["d"]', "offline = true"])
@pytest.mark.parametrize("words", [["lock"], ["add", "good"], ["tree"]], ids=" ".join)
def test_keys_that_lead_around(stage, key, words):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    write(stage, more=f"[tool.uv]\n{key}\n")
    before = state(stage)
    unchanged(stage, stage.run(UV, *words), before, 78)


@pytest.mark.parametrize(
    "words",
    [["lock", "--no-cache-dir"], ["add", "x", "--rev", "1"], ["lock", "--script", "x.py"]],
    ids=" ".join,
)
def test_flags_that_are_refused(stage, words):
    stage.policy(WARN)
    write(stage)
    before = state(stage)
    unchanged(stage, stage.run(UV, *words), before, 64)


@pytest.mark.parametrize("words", [["lock"], ["sync"], ["run", "python", "-c", "import good"], ["pip", "compile"]])
def test_a_project_in_toml_1_1_is_read_as_uv_reads_it(stage, words):
    """Inline tables of many lines: what the standard library refuses and uv takes."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    own = f'index = [{{\n  name = "own",\n  url = "{stage.index.simple_url}",\n  default = true,\n}}]\n'
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good"]\n\n[tool.uv]\n{own}')
    ended = stage.run("openvet-uv", *words, *(["pyproject.toml"] if words[-1] == "compile" else []))
    assert ended.code == 0, ended.err
