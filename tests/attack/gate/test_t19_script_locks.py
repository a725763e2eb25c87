"""T05, T19, T20: scripts with locks of their own: judged before uv starts, and written only if they are approved."""

import subprocess

import pytest

from openvet_install.openvet.subject import Subject
from tests.support.attacks import evil_sdist
from tests.support.projects import WINDOWS, state, unchanged
from tests.support.stage import BENIGN, NO, PROGRAMS, WARN, YES

UV = "openvet-uv"
INNER = "Metadata-Version: 2.1\nName: inner\nVersion: 1.0\nProvides-Extra: x\nRequires-Dist: bad ; extra == 'x'\n\n"
LOCK = 'version = 1\nrevision = 5\nrequires-python = ">=3.10"\n\n[manifest]\nrequirements = [{ name = "evil" }]\n\n'


def write(stage, *needs, settings=""):
    listed = ", ".join(f'"{one}"' for one in needs)
    lines = f'requires-python = ">=3.10"\ndependencies = [{listed}]\n{settings}'
    head = "".join(f"# {line}\n" for line in lines.splitlines())
    (stage.project / "job.py").write_text(f"# /// script\n{head}# ///\nopen({str(stage.marker)!r}, 'w')\n")


def plain_lock(stage):
    subprocess.run(
        [str(PROGRAMS / "uv"), "--no-cache", "lock", "--script", "job.py"], env=stage.variables, cwd=stage.project,
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


RESOLVING = [["lock"], ["tree"], ["export"], ["export", "-o", "out.txt"], ["add"], ["sync"], ["run"]]


def command(words):
    more = ["bad"] if words == ["add"] else []
    return [UV, *words, *(["job.py"] if words == ["run"] else ["--script", "job.py"]), *more]


@pytest.mark.parametrize("claims", [None, NO], ids=["unaudited", "contradicted"])
@pytest.mark.parametrize("words", RESOLVING, ids=" ".join)
def test_what_nobody_audited_gets_into_no_script(stage, words, claims):
    stage.wheel("bad", "1.0", claims)
    stage.sdist("bad", "1.0", more_pyproject='dynamic = ["dependencies"]\n')
    stage.policy(BENIGN if claims is None else WARN)
    write(stage, *(["bad"] if words != ["add"] else []))
    before = state(stage)
    ended = stage.run(*command(words))
    unchanged(stage, ended, before, 77)
    assert not ended.out


@pytest.mark.parametrize("words", RESOLVING, ids=" ".join)
def test_a_lock_of_somebody_else(stage, words):
    """Up to date, and nobody audited what it names."""
    stage.wheel("bad", "1.0")
    stage.policy()
    write(stage, "bad")
    plain_lock(stage)
    before = state(stage)
    ended = stage.run(*command(words))
    unchanged(stage, ended, before, *((0, 77) if words[0] in ("tree", "export") else (77,)))
    if words in (["sync"], ["run"]):
        assert "blocked before uv started" in ended.ours[0]


@pytest.mark.parametrize("words", [["lock"], ["sync"], ["run"], ["tree"]], ids=" ".join)
def test_a_package_that_turns_out_to_be_needed_after_all(stage, words):
    stage.wheel("bad", "1.0")
    stage.wheel("inner", "1.0", YES, metadata=INNER)
    stage.wheel("last", "1.0", YES, requires=["inner[x]"])
    stage.wheel("first", "1.0", YES)
    stage.policy()
    write(stage, "first")
    plain_lock(stage)
    write(stage, "last")
    before = state(stage)
    unchanged(stage, stage.run(*command(words)), before, 77)


SOURCES = {
    "git": 'source = { git = "file:///d?rev=x#0123456789012345678901234567890123456789" }',
    "url": 'source = { url = "http://127.0.0.1:9/evil-1.0.tar.gz" }\nsdist = { hash = "sha256:00" }',
    "path": 'source = { path = "PATH" }\nsdist = { hash = "sha256:00" }',
    "directory": 'source = { directory = "FOLDER" }',
    "editable": 'source = { editable = "FOLDER" }',
    "virtual": 'source = { virtual = "FOLDER" }',
    "registry": 'source = { registry = "FOLDER" }\nsdist = { path = "evil-1.0.tar.gz", hash = "sha256:00" }',
}


@pytest.mark.parametrize("more", [[], ["--frozen"]], ids=" ".join)
@pytest.mark.parametrize("kind", SOURCES)
def test_locks_that_lead_past_the_index(stage, kind, more):
    path = evil_sdist(stage)
    (path.parent / "setup.py").write_text(f"open({str(stage.marker)!r}, 'w')")
    stage.policy(WARN)
    write(stage, "evil")
    source = SOURCES[kind].replace("PATH", str(path)).replace("FOLDER", str(path.parent))
    (stage.project / "job.py.lock").write_text(f'{LOCK}[[package]]\nname = "evil"\nversion = "1.0"\n{source}\n')
    before = state(stage)
    for words in (["run", *more, "job.py"], ["sync", "--script", "job.py", *more]):
        ended = stage.run(UV, *words)
        assert ended.code != 0
        unchanged(stage, ended, before, ended.code)


@pytest.mark.parametrize("words", [one for one in RESOLVING if one != ["add"]], ids=" ".join)
def test_scripts_that_lead_past_the_index(stage, words):
    path = evil_sdist(stage)
    stage.policy(WARN)
    for need, settings in (
        (f"evil @ {path.as_uri()}", ""),
        ("evil", f'[tool.uv.sources]\nevil = {{ path = "{path}" }}'),
        ("evil", '[tool.uv]\nhttp-proxy = "http://127.0.0.1:9"'),
        ("evil", f'[[tool.uv.index]]\nurl = "{path.parent}"\nformat = "flat"'),
    ):
        write(stage, need, settings=settings)
        before = state(stage)
        unchanged(stage, stage.run(*command(words)), before, 64, 77, 78)


def test_what_is_added_is_a_release(stage):
    path = evil_sdist(stage)
    (stage.project / "evil").mkdir()
    (stage.project / "evil/setup.py").write_text(f"open({str(stage.marker)!r}, 'w')")
    (stage.project / "r.txt").write_text(f"evil @ {path.as_uri()}\n")
    stage.policy(WARN)
    write(stage)
    before = state(stage)
    for words in (
        [f"evil @ {path.as_uri()}"],
        [str(path)],
        ["./evil"],
        ["--editable", "./evil"],
        ["-r", "r.txt"],
        ["git+file:///d"],
    ):
        unchanged(stage, stage.run(UV, "add", "--script", "job.py", *words), before, 64, 77)
    for name in ("https://127.0.0.1:9/x.py", "-", "none.py"):
        unchanged(stage, stage.run(UV, "lock", "--script", name), before, 64)


def test_folders_of_files_beside_a_script(stage):
    path = evil_sdist(stage)
    stage.policy()
    write(stage, "evil")
    before = state(stage)
    for words in (["sync"], ["lock"], ["tree", "--offline"]):
        ended = stage.run(UV, *words, "--script", "job.py", "--find-links", str(path.parent))
        unchanged(stage, ended, before, 69, 77)


def test_other_platforms(stage):
    stage.wheel("app", "1.0", YES, requires=[f"win; {WINDOWS}"])
    stage.wheel("win", "1.0", tag="py3-none-win_amd64")
    stage.policy()
    write(stage, "app")
    assert stage.run(UV, "lock", "--script", "job.py").code == 0
    assert "win_amd64" in (stage.project / "job.py.lock").read_text()
    assert stage.run(UV, "run", "job.py").code == 0
    assert stage.marker.exists()


def test_a_withdrawn_approval_reaches_a_locked_script(stage):
    digest = stage.wheel("app", "1.0", YES)
    stage.policy(BENIGN + 'check-every = "0s"\n')
    write(stage, "app")
    assert stage.run(UV, "lock", "--script", "job.py").code == 0
    stage.log.withdraw(Subject.parse(f"pypi:app@1.0?py3-none-any#sha256:{digest}"))
    before = state(stage)
    ended = stage.run(UV, "run", "job.py")
    unchanged(stage, ended, before, 77)
    assert "withdrawn" in ended.err


PYPROJECT = """[project]
name = "evil"
version = "1.0"
dynamic = ["dependencies"]
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
HIDDEN = {
    "a separator of lines that is none to uv": (
        "# /// script\n# dependencies = ['evil']\n# [tool.x]\n# a = '''\u2028'''\n"
        "# [tool.uv.sources]\n# evil = { path = './evil' }\n# # '''\n# ///\n"
    ),
    "an end of line that is one to uv alone": (
        "#\r# /// script\n# dependencies = ['evil']\n# [tool.uv.sources]\n# evil = { path = './evil' }\n# ///\n"
    ),
}


@pytest.mark.parametrize("words", [*RESOLVING, ["remove"], ["pip", "compile"]], ids=" ".join)
@pytest.mark.parametrize("how", HIDDEN)
def test_metadata_that_two_readers_read_differently(stage, how, words):
    """uv would build a folder that we have not seen named."""
    (stage.project / "evil").mkdir()
    (stage.project / "evil/pyproject.toml").write_text(PYPROJECT)
    (stage.project / "evil/backend.py").write_text(f"open({str(stage.marker)!r}, 'w')")
    stage.wheel("bad", "1.0", YES)
    stage.policy(WARN)
    (stage.project / "job.py").write_bytes(HIDDEN[how].encode())
    before = state(stage)
    named = {"remove": [UV, "remove", "--script", "job.py", "bad"], "pip": [UV, "pip", "compile", "job.py"]}
    ended = stage.run(*named.get(words[0], command(words)))
    unchanged(stage, ended, before, 64, 78)


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028"])
def test_a_name_with_several_lines_writes_none_into_what_is_exported(stage, end):
    """The command stands at its head."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "good")
    name = f"a{end}bad==1.0 #.py"
    (stage.project / name).write_text((stage.project / "job.py").read_text())
    before = state(stage)
    for words in (["--script", name], ["--script", "job.py", "-o", name], ["--script", "job.py", "-o", f"out{end}"]):
        unchanged(stage, stage.run(UV, "export", *words), before, 64)
    ended = stage.run(UV, "pip", "compile", name)
    assert ended.code == 0, ended.err
    assert not [line for line in ended.out.splitlines() if line.startswith("bad")]
