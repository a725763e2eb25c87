"""T05: a source that the lock has for another platform is none that a build here may take."""

import subprocess

import pytest

from tests.support.attacks import evil_sdist
from tests.support.projects import in_project
from tests.support.projects import uv_itself as plain
from tests.support.stage import BENIGN, YES

UV = "openvet-uv"
HEAD = '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
BACKEND = """
def get_requires_for_build_editable(config_settings=None):
    return {needs!r}
get_requires_for_build_wheel = get_requires_for_build_editable
"""


def repository(stage):
    """A repository of this machine whose build would write the marker; return its address."""
    folder = stage.folder / "evil"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
        '[project]\nname = "evil"\nversion = "1.0"\n'
    )
    (folder / "own.py").write_text(f"open({str(stage.marker)!r}, 'w')\n")
    as_me = ("-c", "user.name=me", "-c", "user.email=me@example.invalid")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
        subprocess.run(["git", *as_me, *words], cwd=folder, check=True, capture_output=True)
    return f"file://{folder}"


@pytest.fixture
def stage(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy(BENIGN + 'mode = "record"\n')
    return in_project(stage)


def project(stage, source, *, requires="", needs=()):
    (stage.project / "pyproject.toml").write_text(
        HEAD + f'dependencies = ["good", "evil; sys_platform == \'win32\'"]\n[tool.uv.sources]\nevil = {source}\n'
        f'[build-system]\nrequires = [{requires}]\nbuild-backend = "own"\nbackend-path = ["."]\n'
    )
    (stage.project / "own.py").write_text(BACKEND.format(needs=list(needs)))
    assert plain(stage, "lock").returncode == 0
    stage.marker.unlink(missing_ok=True)


def never_ran(stage, *words, codes):
    ended = stage.run(UV, "sync", *words)
    assert ended.code in codes, ended.err
    assert not stage.marker.exists()
    assert stage.installed == {}
    assert plain(stage, "sync").returncode != 0
    assert stage.marker.exists()
    return ended


@pytest.mark.parametrize("words", [[], ["--frozen"]], ids=" ".join)
@pytest.mark.parametrize("how", ["build-system", "extra"])
@pytest.mark.parametrize("kind", ["git", "archive"])
def test_what_a_build_needs_from_no_index(stage, kind, how, words):
    source = f'{{ git = "{repository(stage)}" }}' if kind == "git" else f'{{ path = "{evil_sdist(stage)}" }}'
    project(stage, source, requires='"Evil"' if how == "build-system" else "")
    if how == "extra":
        (stage.project / "uv.toml").write_text(
            '[extra-build-dependencies]\nmine = [{ requirement = "evil", match-runtime = false }]\n'
        )
    ended = never_ran(stage, *words, codes=(77,))
    assert "evil" in ended.err
    assert "direct-reference" in ended.err


@pytest.mark.parametrize("words", [[], ["--frozen"]], ids=" ".join)
def test_a_repository_that_only_a_hook_asks_for(stage, words):
    project(stage, f'{{ git = "{repository(stage)}" }}', needs=["evil"])
    never_ran(stage, *words, codes=(1, 77))


def test_an_index_as_a_source_of_what_builds_need_more(stage):
    stage.sdist("built", "1.0", YES)
    stage.wheel("helper", "1.0", YES)
    (stage.project / "pyproject.toml").write_text(
        HEAD + 'dependencies = ["built"]\n[tool.uv.extra-build-dependencies]\nbuilt = ["helper"]\n'
        f'[[tool.uv.index]]\nname = "more"\nurl = "{stage.index.simple_url}"\nexplicit = true\n'
        '[tool.uv.sources]\nhelper = { index = "more" }\nbuilt = { index = "more" }\n'
    )
    for words in (["lock"], ["tree", "--frozen"], ["sync"], ["run", "python", "-c", "import built"]):
        ended = stage.run(UV, *words)
        assert (ended.code, ended.ours) == (0, []), ended.err
    assert stage.index.asked("/simple/helper/")
    assert stage.installed == {"built": "1.0"}


def test_what_builds_need_more_is_judged(stage):
    stage.sdist("built", "1.0", YES)
    stage.wheel("helper", "1.0")
    stage.policy()
    (stage.project / "pyproject.toml").write_text(
        HEAD + 'dependencies = ["built"]\n[tool.uv.extra-build-dependencies]\nbuilt = ["helper"]\n'
        f'[[tool.uv.index]]\nname = "more"\nurl = "{stage.index.simple_url}"\nexplicit = true\n'
        '[tool.uv.sources]\nhelper = { index = "more" }\n'
    )
    assert stage.run(UV, "lock").code == 0
    ended = stage.run(UV, "sync")
    assert ended.code == 77, ended.err
    assert "helper" in ended.err
    assert stage.installed == {}


@pytest.mark.parametrize("words", [["pip", "install", "good"], ["build"]], ids=" ".join)
def test_sources_beside_them_are_not_gated_elsewhere(stage, words):
    (stage.project / "pyproject.toml").write_text(
        HEAD + '[tool.uv.extra-build-dependencies]\ngood = ["helper"]\n[tool.uv.sources]\nhelper = { index = "more" }\n'
    )
    ended = stage.run(UV, *words)
    assert ended.code == 78, ended.err
    assert "pyproject.toml:5, key `tool.uv.extra-build-dependencies`" in ended.err


@pytest.mark.parametrize(
    "key",
    ['override-dependencies = ["evil @ git+file:///d"]', "preview = true", 'upgrade-package = ["evil @ file:///d"]'],
)
def test_what_steers_resolving_is_no_matter_where_the_lock_is_shown(stage, key):
    pyproject = stage.project / "pyproject.toml"
    pyproject.write_text(HEAD + 'dependencies = ["good"]\n')
    assert plain(stage, "lock").returncode == 0
    pyproject.write_text(HEAD + f'dependencies = ["good"]\n[tool.uv]\n{key}\n')
    locked = (stage.project / "uv.lock").read_bytes()
    for words in (["tree", "--frozen"], ["export", "--frozen", "--no-header"]):
        ended = stage.run(UV, *words)
        assert (ended.code, ended.out) == (0, plain(stage, *words).stdout), ended.err
    for words in (["tree"], ["tree", "--frozen", "--outdated"], ["sync", "--frozen"]):
        assert stage.run(UV, *words).code == (77 if " @ " in key else 78), words
    assert (stage.project / "uv.lock").read_bytes() == locked


def test_a_way_out_is_refused_there_too(stage):
    (stage.project / "pyproject.toml").write_text(HEAD + '[tool.uv]\nallow-insecure-host = ["127.0.0.1"]\n')
    assert plain(stage, "lock").returncode == 0
    assert stage.run(UV, "tree", "--frozen").code == 78


def test_a_folder_that_is_not_there_is_called_that(stage):
    (stage.project / "pyproject.toml").write_text(
        HEAD + 'dependencies = ["evil"]\n[tool.uv.sources]\nevil = { path = "deps/evil" }\n'
    )
    ended = stage.run(UV, "lock")
    assert ended.code == 77, ended.err
    assert "`evil: path deps/evil`: there is nothing at that path" in ended.err
    assert "hint: a submodule" in ended.err
