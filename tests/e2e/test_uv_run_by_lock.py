"""`uv run --with` in a project prefers the versions of its lock, as plain uv does, and takes others where it must."""

import hashlib
import subprocess

import pytest

from tests.support.attacks import backend
from tests.support.projects import in_project
from tests.support.stage import NO, PROGRAMS, YES
from tests.support.wheels import make_wheel

RUN = ("openvet-uv", "run")
TELL = (
    "import importlib.metadata as m; "
    "names = {'good', 'dep', 'other', 'more'} & {one.name for one in m.distributions()}; "
    "print({name: m.version(name) for name in sorted(names)})"
)
PROJECT = """[project]
name = "mine"
version = "1"
requires-python = ">=3.10"
dependencies = []
[dependency-groups]
locked = ["good==1.0", "dep==1.0", "more==1.0"]
[tool.uv]
default-groups = []
"""


@pytest.fixture
def stage(stage):
    for name in ("good", "dep", "more"):
        stage.wheel(name, "1.0", YES)
        stage.wheel(name, "1.5", YES)
    stage.wheel("other", "1.0", YES, requires=["dep", "good"])
    stage.wheel("other", "2.0", YES, requires=["dep>=1.5", "good"])
    stage.policy()
    in_project(stage)
    (stage.project / "pyproject.toml").write_text(PROJECT)
    plain(stage, "lock")
    return stage


def plain(stage, *words):
    own = {"UV_CACHE_DIR": str(stage.folder / "plain-cache"), "TMPDIR": str(stage.folder)}
    return subprocess.run(
        [str(PROGRAMS / "uv"), *words], env=stage.variables | own, cwd=stage.project, capture_output=True, text=True,
        timeout=60, check=True,
    ).stdout  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["--with", "good"],
        ["--with", "good>1"],
        ["--with", "other<2,more"],
        ["--with", "good", "--isolated"],
        ["--with", "good", "--no-sync"],
        ["--with", "good", "--frozen", "-q"],
        ["--with", "good", "--no-project"],
        ["--with-requirements", "r.txt", "--with", "dep>1"],
    ],
    ids=" ".join,
)
def test_as_plain_uv(stage, words):
    (stage.project / "r.txt").write_text("good\ndep\n")
    expected = plain(stage, "run", *words, "python", "-c", TELL)
    ended = stage.run(*RUN, *words, "python", "-c", TELL)
    assert (ended.code, ended.out, ended.ours) == (0, expected, []), ended.err
    assert "error" not in ended.err
    assert stage.leftovers == []


def test_a_lock_that_speaks_against_what_is_needed(stage):
    """`other` 2.0 needs a newer `dep` than the lock has: the first try is not told of."""
    ended = stage.run(*RUN, "--with", "other>=2", "python", "-c", TELL)
    assert (ended.code, ended.ours, "error" in ended.err) == (0, [], False), ended.err
    assert "'dep': '1.5'" in ended.out
    assert "'other': '2.0'" in ended.out
    ended = stage.run(*RUN, "-v", "--with", "other>=2", "python", "-c", TELL)
    assert ended.code == 0, ended.err


def test_in_a_folder_of_a_workspace_and_above_another_lock(stage):
    inner = stage.project / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text(PROJECT.replace("mine", "inner"))
    words = ["run", "--no-sync", "--with", "good", "--project", "inner", "python", "-c", TELL]
    for more, version in (("", "1.5"), ("[tool.uv.workspace]\nmembers = ['inner']\n", "1.0")):
        (stage.project / "pyproject.toml").write_text(PROJECT + more)
        plain(stage, "lock")
        assert f"'good': '{version}'" in plain(stage, *words)
        ended = stage.run("openvet-uv", *words)
        assert (ended.code, f"'good': '{version}'" in ended.out) == (0, True), ended.err


def test_what_a_lock_names_is_judged(stage):
    digest = hashlib.sha256(make_wheel("good", "1.0")).hexdigest()
    stage.log.publish("Good", "1", variant="other", sha256=digest, claims=NO)
    stage.wheel("bad", "1.0", None)
    stage.sdist("bad", "1.1", NO)
    stage.policy()
    ended = stage.run(*RUN, "--frozen", "--with", "good", "python", "-c", TELL)
    assert (ended.code, "'good': '1.5'" in ended.out) == (0, True), ended.err
    ended = stage.run(*RUN, "--frozen", "--with", "bad,dep", "python", "-c", TELL)
    assert (ended.code, ended.out) == (77, ""), ended.err
    assert ended.err.count("openvet: blocked") == 1
    assert not stage.marker.exists()


def test_a_lock_that_cannot_be_read_prefers_nothing(stage):
    (stage.project / "uv.lock").write_text("no lock\n")
    ended = stage.run(*RUN, "--no-sync", "--with", "good", "python", "-c", TELL)
    assert (ended.code, "'good': '1.5'" in ended.out) == (0, True), ended.err


def test_what_a_build_leaves_by_the_way_is_not_passed_over(stage):
    """The first try is told of where it came to something: it was no way that was not found."""
    code = (
        "import glob\n"
        "for place in glob.glob(FOLDER + '/cache/openvet-install/environments/*/with/lib/python*/site-packages'):\n"
        "    open(place + '/evil.pth', 'w').write('import evil')\n"
        "raise SystemExit(1)\n"
    )
    assert stage.run(*RUN, "python", "-V").code == 0
    stage.sdist("tool", "1.0", YES, backend=backend(stage, "tool", "1.0", code))
    stage.policy()
    ended = stage.run(*RUN, "--with", "tool,good", "python", "-c", TELL)
    assert (ended.code, ended.out) == (65, ""), ended.err
