"""`uv run --with` in a project prefers the versions of its lock, as plain uv does, and takes others where it must."""

import hashlib
import json
import subprocess

import pytest

from tests.support.attacks import backend
from tests.support.folders import folder
from tests.support.projects import in_project
from tests.support.stage import BENIGN, NO, PROGRAMS, YES
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
        ["--with", "other"],
        ["--with", "other>=2,more"],
        ["--with", "other>=2,more", "-U"],
        ["--with", "other>=2,more", "-P", "more"],
        ["--with", "other>=2", "-P", "dep", "--no-project"],
        ["--with-editable", "folder", "--with", "more", "-P", "more<1.2", "--frozen"],
    ],
    ids=" ".join,
)
def test_as_plain_uv(stage, words):
    (stage.project / "r.txt").write_text("good\ndep\n")
    folder(stage, "folder", requires=["other"])
    stage.policy(BENIGN + 'local-projects = ["."]\n')
    expected = plain(stage, "run", *words, "python", "-c", TELL)
    ended = stage.run(*RUN, *words, "python", "-c", TELL)
    assert (ended.code, ended.out, ended.ours) == (0, expected, []), ended.err
    assert "error" not in ended.err
    assert stage.leftovers == []


def test_a_lock_that_speaks_against_what_is_needed(stage):
    """`other` 2.0 needs a newer `dep` than the lock has: it moves, and nothing else."""
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
    """The step that only resolves is told of where something came of it."""
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


def test_what_is_held_back_is_told_once_and_each_file_once(stage):
    stage.wheel("other", "3.0", None, requires=["dep>=1.5", "good"])
    stage.sdist("built", "1.0", YES)
    stage.sdist("built", "1.1", None)
    stage.policy()
    ended = stage.run(
        *RUN, "--with", "other,built,more", "python", "-c", TELL, env={"OPENVET_INSTALL_REPORT": "json:report.json"}
    )
    expected = "{'dep': '1.5', 'good': '1.0', 'more': '1.0', 'other': '2.0'}\n"
    assert (ended.code, ended.out) == (0, expected), ended.err
    assert [ended.err.count(f"{name} ") for name in ("other", "built")] == [1, 1], ended.err
    files = [one["filename"] for one in json.loads((stage.project / "report.json").read_text())["files"]]
    assert len(files) == len(set(files)) == 5


def test_silence_passes_where_a_policy_warns(stage):
    stage.wheel("silent", "1.0", None, requires=["dep"])
    stage.policy(BENIGN + 'mode = "warn"\n')
    ended = stage.run(*RUN, "--with", "silent", "python", "-c", TELL)
    assert (ended.code, ended.out) == (0, "{'dep': '1.0'}\n"), ended.err
    assert ended.err.count("pypi:silent") == 1, ended.err


def test_archives_and_requirements_from_a_pipe_are_read_once(stage):
    (stage.project / "loose-1.0-py3-none-any.whl").write_bytes(make_wheel("loose", "1.0", requires=["dep"]))
    digest = hashlib.sha256(make_wheel("loose", "1.0", requires=["dep"])).hexdigest()
    stage.log.publish("loose", "1.0", variant="py3-none-any", sha256=digest, claims=YES)
    stage.policy()
    ended = stage.run(*RUN, "--with", "./loose-1.0-py3-none-any.whl,good", "python", "-c", TELL)
    assert (ended.code, ended.out) == (0, "{'dep': '1.0', 'good': '1.0'}\n"), ended.err
    ended = stage.run(*RUN, "--with-requirements", "-", "python", "-c", TELL, stdin="other>=2\n")
    assert (ended.code, ended.out) == (0, "{'dep': '1.5', 'good': '1.0', 'other': '2.0'}\n"), ended.err
