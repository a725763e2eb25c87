"""T05: what a `uv.lock` names on no index stops those who would get it, and nobody else."""

import pytest

from tests.support.attacks import direct_source, evil_sdist
from tests.support.projects import HEAD, WINDOWS, in_project, plain_uv, state, write
from tests.support.stage import WARN, YES

SYNC = ("openvet-uv", "sync", "--frozen")
COMMIT = "#0123456789012345678901234567890123456789"
EXTRA = ('[project.optional-dependencies]\nmore = ["evil"]\n', "[package.optional-dependencies]\nmore")
GROUP = ('[dependency-groups]\ndev = ["evil"]\n', "[package.dev-dependencies]\ndev")
LINUX = "sys_platform == 'linux'"
KINDS = pytest.mark.parametrize("kind", ["git", "url", "path"])


@pytest.fixture
def stage(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    return in_project(stage)


def naming(stage, kind, place):
    """Write a project that needs `good`, and in an extra or group `evil`, which no index lists; and its lock."""
    where = direct_source(stage, kind)
    write(stage, "good")
    plain_uv(stage, "lock")
    write(stage, "good", more=f"{place[0]}[tool.uv.sources]\nevil = {{ {where} }}\n")
    lock = stage.project / "uv.lock"
    source = f'{where[:-1]}{COMMIT}"' if kind == "git" else where
    digest = f'sdist = {{ hash = "sha256:{"0" * 64}" }}\n' if kind != "git" else ""
    entry = f'[[package]]\nname = "evil"\nversion = "1.0"\nsource = {{ {source} }}\n{digest}\n'
    edge = f'{place[1]} = [{{ name = "evil" }}]\n\n[package.metadata]\n'
    says = f'\n[package.metadata.requires-dev]\ndev = [{{ name = "evil", {where} }}]\n' if place is GROUP else ""
    text = lock.read_text().replace("[[package]]\n", f"{entry}[[package]]\n", 1)
    lock.write_text(text.replace("[package.metadata]\n", edge, 1) + says)
    assert HEAD in (stage.project / "pyproject.toml").read_text()


@KINDS
@pytest.mark.parametrize(
    ("place", "words"),
    [
        (GROUP, []),
        (GROUP, ["--only-dev"]),
        (GROUP, ["--no-default-groups", "--group=dev"]),
        (GROUP, ["--no-dev", "--only-install-package=good"]),
        (EXTRA, ["--extra=more"]),
        (EXTRA, ["--all-extras"]),
    ],
    ids=["group", "only it", "typed", "another list", "extra", "all extras"],
)
def test_who_would_get_it_is_stopped(stage, kind, place, words):
    naming(stage, kind, place)
    ended = stage.run(*SYNC, *words)
    assert ended.code == 77, ended.err
    assert "direct-reference" in ended.err
    assert not stage.environment.exists()
    assert not stage.marker.exists()


@KINDS
@pytest.mark.parametrize(
    ("place", "words"),
    [(GROUP, ["--no-dev"]), (GROUP, ["--no-install-package=Evil"]), (EXTRA, [])],
    ids=["no group", "not installed", "no extra"],
)
def test_who_does_not_get_it_is_not(stage, kind, place, words):
    """As in an image of a product, which has nothing of the developers' tools."""
    naming(stage, kind, place)
    for _ in ("filled", "nothing to do"):
        ended = stage.run(*SYNC, *words)
        assert ended.code == 0, ended.err
        assert stage.installed == {"good": "1.0"}
    assert not stage.marker.exists()


def test_nor_beside_a_lock_that_is_current(stage):
    """uv compares nothing with a repository whose commit it knows."""
    naming(stage, "git", GROUP)
    for words in (["sync", "--no-dev"], ["sync", "--locked", "--no-dev"], ["run", "--no-dev", "true"]):
        ended = stage.run("openvet-uv", *words)
        assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}


def test_a_name_that_an_index_lists_too_is_not_left_out(stage):
    """uv is told names, and would leave out what is needed."""
    naming(stage, "git", GROUP)
    path = stage.project / "uv.lock"
    text = path.read_text().replace('name = "evil"\nversion = "1.0"', 'name = "good"\nversion = "2.0"', 1)
    index = f'{{ name = "good", version = "1.0", source = {{ registry = "{stage.index.simple_url}" }} }}'
    git = f'{{ name = "good", version = "2.0", source = {{ git = "https://example.invalid/evil{COMMIT}" }} }}'
    path.write_text(text.replace('{ name = "good" }', index, 1).replace('dev = [{ name = "evil" }]', f"dev = [{git}]"))
    ended = stage.run(*SYNC, "--no-dev")
    assert ended.code == 77, ended.err
    assert "direct-reference" in ended.err
    assert not stage.environment.exists()


def test_nor_is_one_that_an_index_lists_for_others_too(stage):
    """As where a URL has wheels for some platforms, and the rest takes a release."""
    naming(stage, "git", EXTRA)
    digest = stage.wheel("evil", "2.0")
    path = stage.project / "uv.lock"
    where = f'source = {{ registry = "{stage.index.simple_url}" }}'
    listed = f'{{ url = "{stage.index.file_url("evil-2.0-py3-none-any.whl")}", hash = "sha256:{digest}" }}'
    entry = f'[[package]]\nname = "evil"\nversion = "2.0"\n{where}\nwheels = [{listed}]\n\n'
    git = f'version = "1.0", source = {{ git = "https://example.invalid/evil{COMMIT}" }}, marker = "{LINUX}"'
    edges = f'more = [{{ name = "evil", {git} }}, {{ name = "evil", version = "2.0", {where}, marker = "{WINDOWS}" }}]'
    text = path.read_text().replace("[[package]]\n", f"{entry}[[package]]\n", 1)
    path.write_text(text.replace('more = [{ name = "evil" }]', edges))
    ended = stage.run(*SYNC)
    assert (ended.code, stage.installed) == (0, {"good": "1.0"}), ended.err
    assert stage.run(*SYNC, "--extra=more").code == 77


@KINDS
@pytest.mark.parametrize("words", [["export"], ["export", "--format=pylock.toml"], ["tree"]], ids=" ".join)
def test_a_lock_is_shown_as_it_is(stage, kind, words):
    """uv neither asks for anything nor builds anything then, whatever the project and its sources say."""
    naming(stage, kind, GROUP)
    path = stage.project / "pyproject.toml"
    backend = f'[build-system]\nrequires = ["evil @ {evil_sdist(stage).as_uri()}"]\nbuild-backend = "own"\n'
    path.write_text(path.read_text().replace('version = "1.0"', 'dynamic = ["version"]', 1) + backend)
    (stage.project / "own.py").write_text(f"open({str(stage.marker)!r}, 'w')\n")
    before, asked = state(stage), len(stage.index.requests)
    for more in ([], ["--no-dev"]):
        ended = stage.run("openvet-uv", *words, "--frozen", *more)
        assert ended.code == 0, ended.err
        plain = plain_uv(stage, *words, "--frozen", *more)
        assert ended.out.splitlines()[3:] == plain.splitlines()[3:]
    assert len(stage.index.requests) == asked
    assert state(stage) == before
    assert not stage.marker.exists()
    assert stage.run("openvet-uv", *words).code in (64, 77)
