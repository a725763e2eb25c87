"""T05, T07, T20: what uv reads in the folders of a project by itself leads no build past the gateway.

A project whose lock is up to date asks no index for anything; what is needed to build its folders stands in no lock.
"""

import hashlib
import os
import subprocess

import pytest

from tests.support.attacks import evil_sdist
from tests.support.indexsim import IndexSimulator
from tests.support.projects import HEAD, in_project, plain_uv, state, write
from tests.support.stage import BENIGN, PROGRAMS, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name

UV = "openvet-uv"
LOCAL = BENIGN + 'local-projects = ["."]\n'
BUILD = '[build-system]\nrequires = ["evil"]\nbuild-backend = "evil"\n'
INNER = '[tool.uv.workspace]\nmembers = ["*"]\n[tool.uv.sources]\nlib = { workspace = true }\n'
EITHER = pytest.mark.parametrize("words", [["lock"], ["sync"], ["sync", "--frozen"]], ids=" ".join)
DYNAMIC = 'dynamic = ["dependencies"]\n'
"""Without it uv need not run anything to read the metadata of an sdist."""


@pytest.fixture
def stage(stage):
    found = in_project(stage)
    (found.project / ".git").mkdir()
    return found


def evil(stage, folder=None):
    """An sdist that runs code as soon as somebody asks what it is."""
    path = evil_sdist(stage, folder)
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker, more_pyproject=DYNAMIC))
    return path


def flat(place):
    return f'[[tool.uv.index]]\nname = "x"\nurl = "{place}"\nformat = "flat"\n'


def sources(what):
    return f"[tool.uv.sources]\nevil = {{ {what} }}\n"


def refused(stage, words, *, attacks=True):
    """With the gate nothing runs and nothing changes; without it the code of a stranger does."""
    before = state(stage)
    ended = stage.run(UV, *words)
    assert ended.code in (64, 77, 78), f"{ended.code}\n{ended.err}"
    assert "Traceback" not in ended.err
    assert state(stage) == before
    assert not stage.marker.exists()
    assert stage.leftovers == []
    if attacks:
        said = plain(stage, words)
        assert stage.marker.exists(), said
        stage.marker.unlink()
    return ended


def plain(stage, words):
    """The same without the gate; return what uv says."""
    return subprocess.run(
        [str(PROGRAMS / "uv"), "--no-cache", *words], env=stage.variables | {"TMPDIR": str(stage.folder)},
        cwd=stage.project, capture_output=True, check=False, timeout=60, text=True,
    ).stderr  # fmt: skip


def locked_with(stage, *, root="", lib="", more=""):
    """A workspace of two folders with its lock, to which something is added that changes nothing of the lock."""
    write(stage, "lib", more=INNER)
    write(stage, folder="lib", name="lib")
    plain_uv(stage, "lock")
    write(stage, "lib", more=f"{root}{INNER}{more}")
    write(stage, folder="lib", name="lib", more=lib)


@EITHER
def test_an_index_of_a_member(stage, words):
    folder = evil(stage).parent
    stage.policy(LOCAL)
    locked_with(stage, lib=BUILD + sources('index = "x"') + flat(folder))
    refused(stage, words, attacks=words == ["sync"])
    write(stage, "evil", folder="lib", name="lib", more=sources('index = "x"') + flat(folder))
    refused(stage, ["lock"], attacks=words == ["lock"])


def test_an_index_of_a_member_is_gated(stage):
    body = make_wheel("evil", "0.9")
    stage.log.publish(
        "evil", "0.9", variant="py3-none-any", sha256=hashlib.sha256(body).hexdigest(), claims={"is-benign": True}
    )
    with IndexSimulator() as other:
        other.add(make_sdist("evil", "1.0", marker=stage.marker), filename=sdist_name("evil", "1.0"))
        stage.policy(LOCAL)
        index = f'[tool.uv]\npackage = false\n[[tool.uv.index]]\nname = "x"\nurl = "{other.simple_url}"\n'
        write(stage, "lib", more=INNER)
        write(stage, "evil", folder="lib", name="lib", more=index + sources('index = "x"'))
        ended = refused(stage, ["lock"], attacks=False)
        assert "pypi:evil@1.0?sdist" in ended.err
        other.add(body, filename="evil-0.9-py3-none-any.whl")
        for words in (["lock", "--refresh"], ["sync"], ["sync", "--frozen"]):
            ended = stage.run(UV, *words)
            assert ended.code == 0, ended.err
        assert stage.installed == {"evil": "0.9"}


@pytest.mark.parametrize("flag", ["--no-config", "--config-file=other.toml", "UV_NO_CONFIG"])
@pytest.mark.parametrize("key", ["override", "constraint", "build-constraint", "index"])
def test_keys_that_uv_reads_where_it_reads_no_configuration(stage, flag, key):
    path = evil(stage)
    stage.wheel("evil", "1.0", YES)
    stage.wheel("good", "1.0", YES, requires=["evil"])
    stage.policy(LOCAL)
    (stage.project / "other.toml").touch()
    needs = [] if key == "index" else ["good"]
    write(stage, *needs)
    plain_uv(stage, "lock")
    line = f'[tool.uv]\n{key}-dependencies = ["evil @ {path.as_uri()}"]\n'
    more = sources('index = "x"') + flat(path.parent) if key == "index" else line
    if flag == "UV_NO_CONFIG":
        stage.variables[flag] = "1"
    more_words = [flag] if flag.startswith("-") else []
    if key in ("index", "build-constraint"):
        write(stage, *needs, more=BUILD + more)
        refused(stage, ["sync", *more_words])
        refused(stage, ["sync", "--frozen", *more_words], attacks=False)
        refused(stage, ["lock", *more_words], attacks=False)
        return
    write(stage, "good", more=more)
    for words in (["sync"], ["tree"], ["add", "good>=1"], ["lock"]):
        refused(stage, [*words, *more_words], attacks=words == ["lock"])


@EITHER
@pytest.mark.parametrize("where", ["dependency", "build"])
def test_a_folder_of_another_workspace(stage, words, where):
    """`workspace = "../outside"` names it."""
    path = evil(stage)
    stage.policy(LOCAL)
    outside = stage.folder / "outside"
    outside.mkdir()
    head = HEAD.replace("mine", "evil") + "[tool.uv.workspace]\nmembers = []\n"
    (outside / "pyproject.toml").write_text(head)
    if where == "dependency":
        write(stage, "evil", more=sources('workspace = "../outside"'))
        plain_uv(stage, "lock")
    else:
        write(stage)
        plain_uv(stage, "lock")
        write(stage, more=BUILD + sources('workspace = "../outside"'))
    subprocess.run(["tar", "xf", path, "-C", outside, "--strip-components=1"], check=True)
    with (outside / "pyproject.toml").open("a") as file:
        file.write("[tool.uv.workspace]\nmembers = []\n")
    refused(stage, words, attacks=words == ["sync"])


@EITHER
@pytest.mark.parametrize("kind", ["sources", "index", "member", "link"])
def test_a_workspace_around_a_folder_has_no_say(stage, words, kind):
    """uv looks for the workspace of a folder above it, as it was named, and takes its sources and indexes."""
    path = evil(stage)
    stage.policy(LOCAL)
    inside = 'lib = { path = "other/lib" }\n'
    write(stage, "lib", more=f"[tool.uv.sources]\n{inside}")
    workspace = '[tool.uv.workspace]\nmembers = ["*"]\n'
    said = {
        "sources": sources(f'path = "{path}"'), "index": flat(path.parent), "member": sources("workspace = true"),
        "link": sources(f'path = "{path}"'),
    }[kind]  # fmt: skip
    if kind == "link":
        write(stage, folder="real", name="lib")
        write(stage, folder="other", name="other", more=workspace + said)
        (stage.project / "other/lib").symlink_to("../real")
    else:
        write(stage, folder="other", name="other", more=workspace + (said if kind != "member" else ""))
        write(stage, folder="other/lib", name="lib")
    plain_uv(stage, "lock")
    more = {"index": sources('index = "x"'), "member": said}.get(kind, "")
    write(stage, folder="real" if kind == "link" else "other/lib", name="lib", more=BUILD + more)
    if kind == "member":
        write(stage, folder="other/evil", name="evil", more=BUILD.replace("evil", "evil2"))
        (stage.project / "other/evil/pyproject.toml").write_bytes(
            (stage.project / "other/evil/pyproject.toml").read_bytes()
            + f'[tool.uv.sources]\nevil2 = {{ path = "{path}" }}\n'.encode()
        )
        refused(stage, words, attacks=False)
        return
    refused(stage, words, attacks=words == ["sync"])


@EITHER
def test_another_workspace_farther_up_is_not_asked(stage, words):
    """The next project above decides, for uv and for us."""
    path = evil(stage)
    stage.policy(LOCAL)
    write(stage, "lib", more='[tool.uv.sources]\nlib = { path = "outer/between/lib" }\n')
    outer = '[tool.uv.workspace]\nmembers = ["between/*"]\n' + sources(f'path = "{path}"')
    write(stage, folder="outer", name="outer", more=outer)
    write(stage, folder="outer/between", name="between")
    write(stage, folder="outer/between/lib", name="lib")
    plain_uv(stage, "lock")
    write(stage, folder="outer/between/lib", name="lib", more=BUILD)
    ended = stage.run(UV, *words)
    assert ended.code == (0 if words == ["lock"] else 1), ended.err
    assert words == ["lock"] or "evil was not found" in ended.err
    plain(stage, ["sync"])
    assert not stage.marker.exists()


@EITHER
@pytest.mark.parametrize("where", ["build", "dependency"])
def test_dots_behind_a_link(stage, words, where):
    """For uv `link/..` is the folder of the link, for the system it is that of what it leads to."""
    evil(stage, stage.project).rename(stage.project / "x.tar.gz")
    stage.policy(LOCAL)
    write(stage, folder="a/x.tar.gz", name="x")
    (stage.project / "a/b").mkdir()
    (stage.project / "link").symlink_to("a/b")
    own = '[tool.uv.sources]\nx = { path = "a/x.tar.gz" }\n'
    write(stage, "x", more=own)
    plain_uv(stage, "lock")
    more = own + 'evil = { path = "link/../x.tar.gz" }\n'
    if where == "build":
        write(stage, "x", more=BUILD + more)
        refused(stage, words, attacks=False)
    else:
        write(stage, "x", "evil", more=more)
        refused(stage, ["lock"], attacks=words == ["lock"])


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\x0bb", "a\x85b", "a\rb"], ids=ascii)
def test_line_breaks_in_the_name_of_a_folder(stage, name):
    path = evil(stage)
    stage.policy(LOCAL)
    write(stage, more=INNER.replace("*", "a*"))
    write(stage, "evil", folder=name, name="ab", more=sources(f'path = "{path}"'))
    refused(stage, ["lock"], attacks=name == "a\nb")


def test_two_names_that_are_one(stage):
    """What follows the line break is a place with a project too."""
    path = evil(stage)
    stage.policy(LOCAL)
    beside = stage.project / "b"
    write(stage, more=f'[tool.uv.workspace]\nmembers = ["a*{beside}"]\n')
    write(stage, folder="a", name="a")
    write(stage, folder=str(beside), name="beside")
    write(stage, "evil", folder=f"a\n{beside}", name="ab", more=sources(f'path = "{path}"'))
    refused(stage, ["lock"])


def test_a_project_in_a_folder_whose_name_is_no_text(stage):
    stage.project = stage.project.rename(stage.folder / os.fsdecode(b"pro\xffject"))
    path = evil(stage)
    stage.policy(LOCAL)
    write(stage, "evil", more=sources(f'path = "{path}"'))
    for words in (["lock"], ["sync"], ["tree"], ["add", "good"], ["run", "true"]):
        refused(stage, words, attacks=False)


@EITHER
def test_a_file_that_is_too_large_to_be_read(stage, words):
    path = evil(stage)
    stage.policy(LOCAL)
    locked_with(stage, lib=BUILD + sources(f'path = "{path}"') + f"# {'x' * 98}\n" * 42_000)
    refused(stage, words, attacks=words == ["sync"])


@pytest.mark.parametrize("name", ["pyproject.toml", "uv.toml"])
def test_a_pipe_is_no_file(stage, name):
    stage.policy(LOCAL)
    locked_with(stage)
    (stage.project / name).unlink(missing_ok=True)
    os.mkfifo(stage.project / name)
    for words in (["lock"], ["sync", "--frozen"], ["run", "true"]):
        command, _report = stage.command(UV, *words)
        ended = subprocess.run(
            command, env=stage.variables, cwd=stage.project, capture_output=True, text=True, timeout=30, check=False
        )
        assert ended.returncode in (2, 64, 78), f"{words} {ended.returncode} {ended.stderr}"
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", ["url", "path", "index", "unaudited"])
def test_groups_of_no_project(stage, kind):
    path = evil(stage)
    if kind == "unaudited":
        stage.sdist("evil", "1.0", more_pyproject=DYNAMIC)
    stage.policy(LOCAL)
    line = f"evil @ {path.as_uri()}" if kind == "url" else "evil"
    more = {"path": sources(f'path = "{path}"'), "index": sources('index = "x"') + flat(path.parent)}.get(kind, "")
    (stage.project / "pyproject.toml").write_text(f'[dependency-groups]\nx = ["{line}"]\n{more}')
    for words in (["sync"], ["run", "--group", "x", "true"], ["lock"]):
        refused(stage, words, attacks=words == ["lock"])


@pytest.mark.parametrize("kind", ["lock", "sources"])
def test_a_zero_byte_in_a_path(stage, kind):
    stage.policy(LOCAL)
    write(stage)
    plain_uv(stage, "lock")
    lock = stage.project / "uv.lock"
    if kind == "lock":
        lock.write_text(lock.read_text().replace('virtual = "."', 'editable = "a\\u0000b"'))
    else:
        write(stage, more=BUILD + sources('path = "a\\u0000b"'))
    for words in (["sync", "--frozen"], ["sync"]):
        refused(stage, words, attacks=False)


IN_TREE = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
ODD = {
    "poetry": '[tool.poetry]\nname = "lib"\n[tool.poetry.dependencies]\npython = ">=3.10"\n',
    "requirement": 'dependencies = ["{odd}"]\n',
    "extra": '[project.optional-dependencies]\nx = ["{odd}"]\n',
    "dynamic": 'dynamic = ["dependencies"]\n',
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("where", [".", "lib"])
def test_a_folder_that_no_policy_allows_runs_nothing(stage, kind, where):
    """uv builds a folder whose file does not say by itself what it needs, also to see whether the lock is right."""
    stage.policy(BENIGN + 'local-projects = ["elsewhere"]\n')
    if where == "lib":
        write(stage, "lib", more='[tool.uv.sources]\nlib = { path = "lib" }\n')
    folder = stage.project / where
    write(stage, folder=where, name="lib", more=IN_TREE)
    (folder / "backend.py").touch()
    if where == "lib":
        write(stage, "lib", more='[tool.uv.sources]\nlib = { path = "lib" }\n')
    plain_uv(stage, "lock")
    (folder / "pyproject.toml").write_text(HEAD.replace("mine", "lib") + ODD[kind] + IN_TREE)
    (folder / "backend.py").write_text(f"open({str(stage.marker)!r}, 'w')\n")
    for words in (["sync", "--dry-run"], ["sync"], ["lock"], ["run", "true"]):
        refused(stage, words, attacks=words == ["lock"])


def test_dots_behind_a_link_to_work_in(stage):
    """The folder to work in is another matter: uv goes there, so the system follows the link first."""
    stage.policy(LOCAL)
    write(stage)
    write(stage, folder="a", name="a")
    (stage.project / "a/b").mkdir()
    (stage.project / "link").symlink_to("a/b")
    assert plain_uv(stage, "workspace", "dir", "--directory", "link/..").strip() == str(stage.project / "a")
    ended = stage.run(UV, "lock", "--directory", "link/..")
    assert ended.code == 0, ended.err
    assert (stage.project / "a/uv.lock").exists()
    assert not (stage.project / "uv.lock").exists()
