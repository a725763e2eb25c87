"""A given `pylock.toml` with archives of this machine, groups and extras: what is approved is taken as plainly."""

import hashlib
import json
import shutil
import subprocess

import pytest

from tests.support.stage import NO, PROGRAMS, WARN, YES, make_environment
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

PIP = ("openvet-pip", "install", "-q", "-r")
UV = ("openvet-uv", "pip", "install", "-r")
SYNC = ("openvet-uv", "pip", "sync")
SPACED = "a b/" + wheel_name("spaced", "1.0")
SOURCE = "../" + sdist_name("source", "1.0")


@pytest.fixture
def stage(stage):
    archives = {
        f"locks/{SPACED}": make_wheel("spaced", "1.0"),
        wheel_name("good", "1.0"): make_wheel("good", "1.0"),
        sdist_name("source", "1.0"): make_sdist("source", "1.0"),
    }
    for path, raw in archives.items():
        place = stage.project / path
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_bytes(raw)
        name, version = place.name.removesuffix(".tar.gz").split("-")[:2]
        variant = "py3-none-any" if path.endswith(".whl") else "sdist"
        stage.log.publish(name, version, variant=variant, sha256=hashlib.sha256(raw).hexdigest(), claims=YES)
    for name in ("released", "grouped", "extra", "base"):
        stage.wheel(name, "1.0", YES)
    stage.wheel("unread", "1.0")
    stage.policy()
    return stage


def write(stage, *entries, head=""):
    text = f'lock-version = "1.0"\ncreated-by = "somebody"\n{head}'
    (stage.project / "locks/pylock.toml").write_text(text + "".join(f"\n[[packages]]\n{entry}" for entry in entries))


def digest(stage, path, kind="sha256"):
    return hashlib.new(kind, (stage.project / "locks" / path).read_bytes()).hexdigest()


def indexed(stage, name, marker):
    wheel = stage.index.entries[wheel_name(name, "1.0")]
    url, sha256 = stage.index.file_url(wheel_name(name, "1.0")), hashlib.sha256(wheel.body).hexdigest()
    files = f'wheels = [{{ name = "{wheel_name(name, "1.0")}", url = "{url}", hashes = {{ sha256 = "{sha256}" }} }}]'
    return f'name = "{name}"\nversion = "1.0"\nmarker = "{marker}"\n{files}\n'


def found(stage):
    """Give what is installed, and where that says it comes from; then start anew."""
    places = stage.environment.glob("lib/python*/site-packages/*.dist-info/direct_url.json")
    said = {one.parent.name: json.loads(one.read_text()) for one in places}
    installed = stage.installed
    shutil.rmtree(stage.environment)
    make_environment(stage.environment)
    return installed, said


def plainly(stage, words):
    program, *rest = words
    tool = program.removeprefix("openvet-")
    target = ("--python", str(stage.environment)) if tool == "pip" else ()
    command = [PROGRAMS / tool, *target, *rest]
    return subprocess.run(command, cwd=stage.project, env=stage.variables, check=False, capture_output=True).returncode


def same(stage, *words):
    """Hold a command to the plain one, and return what it installs."""
    ended = stage.run(*words)
    ours = found(stage)
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert plainly(stage, words) == 0
    assert ours == found(stage)
    assert stage.leftovers == []
    return ours[0]


def test_archives_are_installed_from_where_the_lock_says(stage):
    # `url` with a path, hashes of which we know none, wheels of other platforms that are not there
    other = wheel_name("good", "1.0", "cp310-cp310-win_amd64")
    url = (stage.project / wheel_name("good", "1.0")).as_uri()
    write(
        stage,
        f'name = "spaced"\n[packages.archive]\npath = "{SPACED}"\n'
        f'hashes = {{ sha512 = "{digest(stage, SPACED, "sha512")}" }}\n',
        f'name = "source"\nversion = "1.0"\n[packages.sdist]\npath = "{SOURCE}"\n'
        f'hashes = {{ sha256 = "{digest(stage, SOURCE)}" }}\n',
        f'name = "good"\nversion = "1.0"\n'
        f'[[packages.wheels]]\npath = "{other}"\nhashes = {{ sha256 = "{"0" * 64}" }}\n'
        f'[[packages.wheels]]\nurl = "{url}"\n'
        f'hashes = {{ sha256 = "{digest(stage, "../good-1.0-py3-none-any.whl")}" }}\n',
        'name = "left"\nmarker = "sys_platform == \'win32\'"\n'
        f'[packages.archive]\npath = "left-1.0-py3-none-any.whl"\nhashes = {{ sha256 = "{"0" * 64}" }}\n',
    )
    for tool in (PIP, SYNC):
        words = (*tool, "locks/pylock.toml", "--no-build-isolation")
        assert same(stage, *words) == {"good": "1.0", "source": "1.0", "spaced": "1.0"}
    checked = stage.run("openvet-install", "check", "locks/pylock.toml")
    assert checked.code == 0, checked.err
    assert "Summary: 3 passed, 0 failed, 0 unaudited" in checked.err


def test_groups_and_extras_are_those_of_the_lock(stage):
    write(
        stage,
        indexed(stage, "released", "python_version > '3'"),
        indexed(stage, "grouped", "'dev' in dependency_groups"),
        indexed(stage, "base", "'base' in dependency_groups"),
        indexed(stage, "extra", "'x' in extras"),
        indexed(stage, "unread", "'unread' in dependency_groups"),
        f'name = "good"\nversion = "1.0"\nmarker = "\'files\' in extras"\n[packages.archive]\n'
        f'path = "../good-1.0-py3-none-any.whl"\n'
        f'hashes = {{ sha256 = "{digest(stage, "../good-1.0-py3-none-any.whl")}" }}\n',
        head='extras = ["x", "files"]\ndependency-groups = ["dev", "base", "unread"]\ndefault-groups = ["base"]\n',
    )
    sync, install = (*SYNC, "locks/pylock.toml"), (*UV, "locks/pylock.toml")
    assert set(same(stage, *sync, "--group", "DEV")) == {"released", "grouped"}
    assert set(same(stage, *install, "--extra", "x,nope")) == {"released", "base", "extra"}
    assert set(same(stage, *install, "--group", "dev", "--group", "base", "--all-extras")) == {
        *("released", "grouped", "base", "extra", "good"),
    }
    blocked = stage.run(*sync, "--group", "unread")
    assert (blocked.code, found(stage)[0]) == (77, {}), blocked.err
    assert "unread@1.0?py3-none-any    unaudited    pylock.toml:" in blocked.err
    of_file = stage.run(*sync, "--group", "pyproject.toml:dev")
    assert (of_file.code, of_file.err.splitlines()[0]) == (
        64,
        "error: `--group pyproject.toml:dev`: beside a lock groups are those of the lock",
    )


@pytest.mark.parametrize("words", [PIP, UV, SYNC], ids=" ".join)
def test_in_warn_mode_silence_passes_and_a_no_does_not(stage, words):
    stage.policy(WARN)
    for name, code in (("silent", 0), ("bad", 77)):
        path = wheel_name(name, "1.0")
        (stage.project / "locks" / path).write_bytes(make_wheel(name, "1.0"))
        sha256 = digest(stage, path)
        if code:
            stage.log.publish(name, "1.0", variant="py3-none-any", sha256=sha256, claims=NO)
        archive = f'path = "{path}"\nhashes = {{ sha256 = "{sha256}" }}\n'
        write(stage, f'name = "{name}"\nversion = "1.0"\n[packages.archive]\n{archive}')
        ended = stage.run(*words, "locks/pylock.toml")
        assert (ended.code, name in stage.installed) == (code, not code), ended.err
        assert f"{'✘' if code else '!'} pypi:{name}@1.0?py3-none-any" in ended.err
        shutil.rmtree(stage.folder / "state")
