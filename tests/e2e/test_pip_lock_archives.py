"""`pip lock` of archives of this machine: what it writes names them as plain pip does."""

import hashlib
import subprocess

import pytest

from tests.support.stage import PROGRAMS, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name


@pytest.fixture
def stage(stage):
    archives = {
        wheel_name("good", "1.0"): make_wheel("good", "1.0"),
        f"a b/{wheel_name('spaced', '1.0+l.1')}": make_wheel("spaced", "1.0+l.1"),
        sdist_name("source", "1.0"): make_sdist("source", "1.0"),
        f"links/{wheel_name('linked', '1.0')}": make_wheel("linked", "1.0"),
    }
    for path, raw in archives.items():
        place = stage.project / path
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(raw)
        name, version = place.name.removesuffix(".tar.gz").split("-")[:2]
        variant = "py3-none-any" if path.endswith(".whl") else "sdist"
        digest = hashlib.sha256(raw).hexdigest()
        stage.log.publish(name, version, variant=variant, sha256=digest, claims=YES)
    (stage.project / "r.txt").write_text("-f ./links\n./a b/spaced-1.0+l.1-py3-none-any.whl\nlinked\n")
    (stage.project / "sub").mkdir()
    stage.wheel("released", "1.0", YES)
    stage.policy()
    return stage


def plainly(stage, *words):
    command = [PROGRAMS / "pip", "lock", "-q", *words]
    return subprocess.run(
        command, cwd=stage.project, env=stage.variables, check=True, capture_output=True, text=True
    ).stdout


def test_a_file_is_what_plain_pip_writes(stage):
    words = ["./good-1.0-py3-none-any.whl", "./source-1.0.tar.gz", "released", "-r", "r.txt"]
    for more, path in (([], "pylock.toml"), (["-o", "sub/pylock.x.toml"], "sub/pylock.x.toml")):
        ended = stage.run("openvet-pip", "lock", *words, *more)
        assert (ended.code, ended.ours) == (0, []), ended.err
        ours = (stage.project / path).read_text()
        plainly(stage, *words, *more)
        assert ours == (stage.project / path).read_text()
        assert str(stage.folder / "tmp") not in ours
    assert stage.installed == {}
    ended = stage.run("openvet-pip", "install", "-r", "sub/pylock.x.toml")
    assert ended.code == 0, ended.err
    assert set(stage.installed) == {"good", "linked", "released", "source", "spaced"}
    assert stage.leftovers == []


def test_addresses_are_written_as_they_were_typed(stage):
    spaced = f"file://localhost{stage.project}/a%20b/spaced-1.0+l.1-py3-none-any.whl"
    climbing = f"file://{stage.project}/sub/../good-1.0-py3-none-any.whl"
    for words in ([spaced, climbing], [f"good @ {climbing}#egg=good", "linked", "-f", f"file://{stage.project}/links"]):
        ended = stage.run("openvet-pip", "lock", "-q", *words, "-o", "-")
        assert ended.code == 0, ended.err
        assert ended.out == plainly(stage, *words, "-o", "-")


def test_what_pip_says_is_shown_where_it_fails(stage):
    ended = stage.run("openvet-pip", "lock", "./good-1.0-py3-none-any.whl", "missing", "-o", "-")
    assert ended.code != 0
    assert f"Processing {stage.project}/good-1.0-py3-none-any.whl" in ended.out
