"""T03, T05: a `pylock.toml` given to pip or uv is judged before the tool starts; what has no index is refused."""

import hashlib
import json
from datetime import datetime, timezone

import pytest

from tests.support.attacks import PIP, UV, backend, everything, evil_sdist, stopped
from tests.support.indexsim import IndexSimulator
from tests.support.stage import BENIGN, NO, WARN, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

SYNC = ("openvet-uv", "pip", "sync")
PROJECT = ("openvet-uv", "sync")
EACH = pytest.mark.parametrize("tool", [PIP, UV, SYNC], ids=["pip", "uv", "sync"])


def write(stage, *entries, name="pylock.toml"):
    head = 'lock-version = "1.0"\ncreated-by = "somebody"\n'
    (stage.project / name).write_text(head + "".join(f"\n[[packages]]\n{entry}" for entry in entries))


def entry(stage, name, version, digest):
    url = stage.index.simple_url.replace("/simple", "/files/") + wheel_name(name, version)
    wheel = f'{{ name = "{wheel_name(name, version)}", url = "{url}", hashes = {{ sha256 = "{digest}" }} }}'
    return f'name = "{name}"\nversion = "{version}"\nindex = "{stage.index.simple_url}"\nwheels = [{wheel}]\n'


def go(stage, tool, name="pylock.toml"):
    return stage.run(*tool, *([name] if tool == SYNC else ["-r", name]))


@EACH
def test_what_is_approved_is_installed(stage, tool):
    digest = stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, entry(stage, "good", "1.0", digest), name="pylock.dev.toml")
    ended = go(stage, tool, "pylock.dev.toml")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert stage.installed == {"good": "1.0"}


@EACH
def test_what_is_not_stops_before_the_tool_starts(stage, tool):
    good, other = stage.wheel("good", "1.0", YES), stage.wheel("other", "1.0")
    stage.policy()
    write(stage, entry(stage, "good", "1.0", good), entry(stage, "other", "1.0", other))
    before = everything(stage)
    ended = go(stage, tool)
    stopped(stage, ended, 77, before=before)
    assert "other@1.0?py3-none-any    unaudited    pylock.toml:10" in ended.err
    assert not stage.index.asked("/files/good-1.0-py3-none-any.whl")


@EACH
def test_a_hash_that_nobody_approved(stage, tool):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    write(stage, entry(stage, "good", "1.0", "0" * 64))
    before = everything(stage)
    stopped(stage, go(stage, tool), 65, before=before)


@pytest.mark.parametrize("claims", [YES, NO], ids=["approved", "contradicted"])
def test_a_second_hash_that_other_bytes_have(stage, claims):
    """Any of them is enough for pip and uv; the gate has the bytes, `check` has not."""
    digest = stage.wheel("good", "1.0", claims)
    stage.policy(BENIGN if claims == YES else WARN)
    other = hashlib.sha512(make_wheel("good", "1.0", files={"evil.py": ""})).hexdigest()
    write(stage, entry(stage, "good", "1.0", f'{digest}", sha512 = "{other}'))
    ended = stage.run("openvet-install", "check", "pylock.toml")
    assert (ended.code, "unhashed" if claims == YES else "contradicted") == (77, ended.out.split()[2]), ended.out


KINDS = {
    "path": 'name = "evil"\nversion = "1.0"\nsdist = {{ path = "{path}", hashes = {{ sha256 = "{digest}" }} }}\n',
    "archive": 'name = "evil"\n\n[packages.archive]\npath = "{path}"\nhashes = {{ sha256 = "{digest}" }}\n',
    "directory": 'name = "evil"\n\n[packages.directory]\npath = "{folder}"\n',
    "vcs": 'name = "evil"\n\n[packages.vcs]\ntype = "git"\nurl = "file://{folder}"\ncommit-id = "{commit}"\n',
}


@EACH
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_index_is_refused(stage, tool, kind):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    path = evil_sdist(stage)
    write(stage, KINDS[kind].format(path=path, folder=path.parent, digest="0" * 64, commit="0" * 40))
    before = everything(stage)
    stopped(stage, go(stage, tool), 64, 65, 77, before=before)


def ours(stage, place, name, *, build=(), needs=()):
    """A project of ours, whose backend writes the marker."""
    folder = stage.project / place
    folder.mkdir(parents=True)
    source = backend(stage, name, "1.0", f"open({str(stage.marker)!r}, 'w').close()\n")
    (folder / "own.py").write_text(source + "\nbuild_editable = build_wheel\n")
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = {json.dumps(build)}\nbuild-backend = "own"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndependencies = {json.dumps(needs)}\n'
    )


def folder(name, place, more=""):
    return f'name = "{name}"\n\n[packages.directory]\npath = "{place}"\n{more}'


@pytest.mark.parametrize("tool", [UV, SYNC], ids=["uv", "sync"])
def test_folders_of_ours_are_taken_from_where_the_lock_lies(stage, tool):
    """As `uv export` writes them; pip itself takes none."""
    digest = stage.wheel("good", "1.0", YES)
    stage.wheel("helper", "1.0", YES)
    stage.wheel("helper", "2.0")
    stage.policy()
    ours(stage, "locks/a", "one", build=["helper"], needs=["good"])
    ours(stage, "b c", "two")
    entries = (entry(stage, "good", "1.0", digest), folder("one", "a", "editable = true\n"), folder("two", "../b c"))
    write(stage, *entries, name="locks/pylock.toml")
    ended = go(stage, tool, "locks/pylock.toml")
    assert ended.code == 0, ended.err
    assert [line.partition(",")[0] for line in ended.ours] == ["openvet: held back: helper 1.0"]
    assert stage.installed == {"good": "1.0", "one": "1.0", "two": "1.0"}
    assert not stage.index.asked("/files/helper-2.0-py3-none-any.whl")


@EACH
@pytest.mark.parametrize("what", ["build", "needs", "inside", "build requirement"])
def test_what_folders_of_ours_lead_to(stage, tool, what):
    path = evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    stage.wheel("unread", "1.0", NO)
    stage.policy(WARN)
    evil = [f"evil @ {path.as_uri()}"]
    build = {"build": evil, "build requirement": ["unread"]}.get(what, ())
    ours(stage, "a", "mine", build=build, needs=evil if what == "needs" else ())
    write(stage, folder("mine", "a", 'subdirectory = "../../d"\n' if what == "inside" else ""))
    before = everything(stage)
    stopped(stage, go(stage, tool), 64, 77, before=before)


@EACH
@pytest.mark.parametrize("climbing", [False, True], ids=["absolute", "climbing"])
def test_a_path_beside_an_approved_address(stage, tool, climbing):
    # The tools take the path over the URL, and one good digest of several is enough for them.
    good = stage.sdist("good", "1.0", YES)
    stage.policy()
    folder = stage.folder / "d"
    folder.mkdir()
    evil = folder / sdist_name("good", "1.0")
    evil.write_bytes(make_sdist("good", "1.0", marker=stage.marker, files={"evil.py": ""}))
    path = "../" * 20 + str(evil).lstrip("/") if climbing else str(evil)
    hashes = f'sha256 = "{good}", sha512 = "{hashlib.sha512(evil.read_bytes()).hexdigest()}"'
    address = f'url = "{stage.index.file_url(evil.name)}", path = "{path}"'
    write(stage, f'name = "good"\nversion = "1.0"\nsdist = {{ {address}, hashes = {{ {hashes} }} }}\n')
    before = everything(stage)
    stopped(stage, go(stage, tool), 65, before=before)


def test_the_lock_is_read_once(stage):
    # A second reading would be another lock.
    digest = stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, entry(stage, "good", "1.0", digest))
    lock = stage.project / "pylock.toml"

    def swap(_number, path):
        if path.startswith("/files/"):
            lock.write_text("[")

    stage.index.lies.at_request = swap
    ended = go(stage, PIP)
    assert ended.code == 0, ended.err
    stage.index.lies.at_request = lambda _number, _path: None


@pytest.mark.parametrize("tool", [PIP, UV, SYNC, PROJECT], ids=["pip", "uv", "sync", "project"])
@pytest.mark.parametrize("where", ["elsewhere", "other bytes", "listed"])
@pytest.mark.parametrize("rule", ["exemption", "publisher"])
def test_a_rule_about_an_index_that_only_the_lock_names(stage, tool, where, rule):
    stage.wheel("inner", "1.0", files={"inner.py": "good = 1\n"})
    name = wheel_name("inner", "1.0")
    index = stage.index.simple_url
    rules = {
        "exemption": f'{BENIGN}[[install.exempt]]\npackage = "inner"\nversion = "1.0"\nindex = "{index}"\n'
        f'owner = "me"\nreason = "ours"\nuntil = {datetime.now(timezone.utc).date()}\n',
        "publisher": f'{WARN}[[install.publisher]]\npackage = "inner"\nindex = "{index}"\nkind = "GitHub"\n'
        'repository = "o/r"\nworkflow = "w.yml"\nrequired = false\n',
    }
    stage.policy(rules[rule])
    with IndexSimulator() as other:
        body = (
            stage.index.entries[name].body if where == "listed" else make_wheel("inner", "1.0", files={"evil.py": ""})
        )
        other.add(body, filename=name)
        url = other.file_url(name) if where == "elsewhere" else stage.index.file_url(name)
        digest = hashlib.sha256(body).hexdigest()
        if tool == PROJECT:
            (stage.project / "pyproject.toml").write_text(PYPROJECT)
            (stage.project / "uv.lock").write_text(UV_LOCK.format(index=index, url=url, digest=digest))
        else:
            wheel = f'{{ name = "{name}", url = "{url}", hashes = {{ sha256 = "{digest}" }} }}'
            write(stage, f'name = "inner"\nversion = "1.0"\nindex = "{index}"\nwheels = [{wheel}]\n')
        assert stage.run("openvet-install", "check").code == (0 if where == "listed" else 77)
        before = everything(stage)
        if tool == PROJECT:
            ended = stage.run(*tool, "--frozen", env={"UV_PROJECT_ENVIRONMENT": str(stage.environment)})
        else:
            ended = go(stage, tool)
    if where == "listed":
        assert (ended.code, stage.installed) == (0, {"inner": "1.0"}), ended.err
    else:
        stopped(stage, ended, 77, before=before)


def test_check_does_not_know_what_an_index_lists_that_is_away(stage):
    digest = stage.wheel("inner", "1.0")
    index = stage.index.simple_url
    stage.policy(
        f'{BENIGN}[[install.exempt]]\npackage = "inner"\nversion = "1.0"\nindex = "{index}"\nowner = "me"\n'
        f'reason = "ours"\nuntil = {datetime.now(timezone.utc).date()}\n'
    )
    (stage.project / "pyproject.toml").write_text(PYPROJECT)
    url = stage.index.file_url(wheel_name("inner", "1.0"))
    (stage.project / "uv.lock").write_text(UV_LOCK.format(index=index, url=url, digest=digest))
    assert stage.run("openvet-install", "check").code == 0
    stage.index.lies.status = 503
    ended = stage.run("openvet-install", "check")
    assert ended.code == 69, ended.err
    assert "503" in ended.err


@pytest.mark.parametrize("said", ["", "1999-12-31T00:00:00Z"], ids=["undated", "backdated"])
@pytest.mark.parametrize("tool", [PIP, SYNC, PROJECT], ids=["pip", "sync", "project"])
@pytest.mark.parametrize("young", [True, False], ids=["young", "old"])
def test_how_old_a_silent_file_of_a_lock_is_its_index_says(stage, tool, said, young):
    """T49: `pip lock` and older uv write no dates, and who edits a lock could date back what came a minute ago."""
    digest = stage.wheel("inner", "1.0", body=make_wheel("inner", "1.0"))
    name, index = wheel_name("inner", "1.0"), stage.index.simple_url
    stage.policy(WARN + 'cooldown = "7d"\n')
    if young:
        stage.index.entries[name].upload_time = datetime.now(timezone.utc).isoformat()
    if tool == PROJECT:
        (stage.project / "pyproject.toml").write_text(PYPROJECT)
        text = UV_LOCK.format(index=index, url=stage.index.file_url(name), digest=digest)
        dated = text.replace("hash", f'upload-time = "{said}", hash') if said else text
        (stage.project / "uv.lock").write_text(dated)
    else:
        text = entry(stage, "inner", "1.0", digest)
        write(stage, text.replace("hashes", f"upload-time = {said}, hashes") if said else text)

    def run():
        more = {"UV_PROJECT_ENVIRONMENT": str(stage.environment)}
        return stage.run(*tool, "--frozen", env=more) if tool == PROJECT else go(stage, tool)

    before = everything(stage)
    ended = stage.run("openvet-install", "check")
    if young:
        assert (ended.code, "too-young" in ended.out) == (77, True), ended.out
        stopped(stage, run(), 77, before=before)
        return
    assert ended.code == 0, ended.out
    asked = len(stage.index.asked("/simple/inner/"))
    ended = run()
    assert (ended.code, stage.installed) == (0, {"inner": "1.0"}), ended.err
    if tool == PROJECT:
        assert len(stage.index.asked("/simple/inner/")) == asked  # the check had heard it


PYPROJECT = (
    '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.10"\ndependencies = ["inner"]\n'
    "[tool.uv]\npackage = false\n"
)
UV_LOCK = """version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "inner"
version = "1.0"
source = {{ registry = "{index}" }}
wheels = [
    {{ url = "{url}", hash = "sha256:{digest}" }},
]

[[package]]
name = "mine"
version = "1.0"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "inner" }},
]

[package.metadata]
requires-dist = [{{ name = "inner" }}]
"""
