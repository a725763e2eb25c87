"""`tool.uv.sources` with indexes and markers, of a project whose file or group is named: as plain uv reads them."""

import hashlib

import pytest

from tests.support.folders import folder, workspace
from tests.support.indexsim import IndexSimulator
from tests.support.projects import plain_uv
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_wheel

UV = "openvet-uv"
LOCAL = BENIGN + 'local-projects = ["."]\n'
HERE, ELSEWHERE = "python_version > '3'", "python_version < '3'"
GROUPS = '[dependency-groups]\ndev = ["apart", "lib"]\nonly = ["apart"]\n'
GROUPS += '[project.optional-dependencies]\nspeedy = ["apart"]\n'
IN_X, UP, NOT = 'index = "x"', "../../beside", ELSEWHERE
SOURCES = {
    "index": f"apart = {{ {IN_X} }}",
    "marker": f'apart = {{ {IN_X}, marker = "{HERE}" }}',
    "marker elsewhere": f'apart = {{ {IN_X}, marker = "{ELSEWHERE}" }}',
    "list": f'apart = [{{ {IN_X}, marker = "{HERE}" }}, {{ path = "{UP}/apart", marker = "{ELSEWHERE}" }}]',
    "folder": f'lib = {{ path = "{UP}/lib", marker = "{HERE}" }}',
    "folder elsewhere": f'apart = {{ {IN_X} }}\nlib = {{ path = "{UP}/lib", marker = "{ELSEWHERE}" }}',
    "folders": f'lib = [{{ path = "{UP}/lib", editable = true, marker = "{HERE}" }}, {{ {IN_X}, marker = "{NOT}" }}]',
    "extra": f'apart = [{{ {IN_X}, extra = "speedy" }}]',
    "group": f'apart = [{{ {IN_X}, group = "dev" }}]',
}


@pytest.fixture
def other():
    with IndexSimulator() as index:
        yield index


@pytest.fixture
def stage(stage, other):
    (stage.project / ".git").mkdir()
    stage.wheel("apart", "2.0", YES)
    stage.wheel("lib", "3.0", YES)
    stage.wheel("more", "1.0", YES)
    body = make_wheel("apart", "1.0", requires=["more"])
    other.add(body, filename="apart-1.0-py3-none-any.whl")
    digest = hashlib.sha256(body).hexdigest()
    stage.log.publish("apart", "1.0", variant="py3-none-any", sha256=digest, claims=YES)
    stage.policy(LOCAL)
    return stage


def index_of(other, *, explicit=True):
    return f'[[tool.uv.index]]\nname = "x"\nurl = "{other.simple_url}"\nexplicit = {str(explicit).lower()}\n'


def written(kind):
    return f"[tool.uv.sources]\n{SOURCES[kind]}\n"


def app(stage, other, kind, where="own"):
    more = written(kind) + index_of(other)
    if where == "root":
        workspace(stage, more.replace('"../../', '"'))
    elif where == "member":
        workspace(stage)
    folder(stage, "beside/lib", requires=["more"])
    folder(stage, "beside/apart")
    folder(stage, "packages/app", requires=["apart", "lib"], more=GROUPS + (more if where != "root" else ""))


WORDS = [
    ["-r", "packages/app/pyproject.toml"],
    ["-r", "packages/app/pyproject.toml", "--extra", "speedy"],
    ["--group", "packages/app/pyproject.toml:dev", "--group", "packages/app/pyproject.toml:only"],
]


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("words", WORDS, ids=["file", "extra", "group"])
def test_installed_as_by_plain_uv(stage, other, words, kind):
    app(stage, other, kind)
    ended = stage.run(UV, "pip", "install", *words)
    ours = stage.installed
    assert ended.code == 0, ended.err
    plain_uv(stage, "pip", "uninstall", *ours)
    plain_uv(stage, "pip", "install", *words)
    assert ours == stage.installed


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("words", WORDS, ids=["file", "extra", "group"])
def test_compiled_as_by_plain_uv(stage, other, words, kind):
    app(stage, other, kind)
    words = ["pip", "compile", "-q", "--no-header", "--emit-index-annotation", *(w for w in words if w != "-r")]
    expected = plain_uv(stage, *words)
    ended = stage.run(UV, *words)
    assert (ended.code, ended.out) == (0, expected), ended.err


@pytest.mark.parametrize("where", ["root", "member"])
@pytest.mark.parametrize("kind", ["index", "marker elsewhere", "folders"])
def test_in_a_workspace(stage, other, where, kind):
    app(stage, other, kind, where)
    for words in (WORDS[0], WORDS[2]):
        ended = stage.run(UV, "pip", "install", *words)
        ours = stage.installed
        assert ended.code == 0, ended.err
        plain_uv(stage, "pip", "uninstall", *ours)
        plain_uv(stage, "pip", "install", *words)
        assert ours == stage.installed
        plain_uv(stage, "pip", "uninstall", *ours)
        compiled = ["pip", "compile", "-q", "--no-header", *(w for w in words if w != "-r")]
        expected = plain_uv(stage, *compiled)
        ended = stage.run(UV, *compiled)
        assert (ended.code, ended.out) == (0, expected), ended.err


def test_synchronised(stage, other):
    app(stage, other, "index")
    (stage.project / "r.txt").write_text("more\n")
    ended = stage.run(UV, "pip", "sync", "r.txt", "--group", "packages/app/pyproject.toml:only")
    assert (ended.code, stage.installed) == (0, {"apart": "1.0", "more": "1.0"}), ended.err
