"""T20, T22: `pip download`, `wheel`, `lock` and `index` resolve, download and build: gated like an install."""

import hashlib
import sys

import pytest

from tests.support.attacks import PIP, backend, everything, stopped
from tests.support.stage import BENIGN, WARN, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

COMMANDS = {"download": "-d", "wheel": "-w"}


@pytest.fixture
def out(stage):
    folder = stage.folder / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("command", ["download", "wheel", "lock"])
@pytest.mark.parametrize("sdist", [False, True], ids=["wheel", "sdist"])
def test_nothing_unapproved_is_fetched_or_run(stage, out, command, sdist):
    (stage.sdist if sdist else stage.wheel)("evil", "1.0")
    stage.policy()
    before = everything(stage)
    where = [COMMANDS[command], str(out)] if command in COMMANDS else ["-o", str(out / "pylock.toml")]
    ended = stage.run("openvet-pip", command, *where, "evil")
    stopped(stage, ended, 77, before=before)
    assert "pypi:evil@1.0" in ended.err
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_approved_arrives(stage, out, command):
    digest = stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0")
    stage.sdist("source", "1.0", YES)
    stage.policy()
    before = everything(stage)
    flag = COMMANDS[command]
    ended = stage.run("openvet-pip", command, flag, str(out), "good", "source")
    assert ended.code == 0, ended.err
    assert everything(stage) == before
    names = {path.name for path in out.iterdir()}
    built = "source-1.0.tar.gz" if command == "download" else "source-1.0-py3-none-any.whl"
    assert names == {"good-1.0-py3-none-any.whl", built}
    assert hashlib.sha256((out / "good-1.0-py3-none-any.whl").read_bytes()).hexdigest() == digest
    assert "held back: good 1.0" in ended.err
    assert stage.leftovers == []


def test_the_working_folder_is_the_output_where_nothing_is_said(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    (stage.project / "mine.whl").write_text("mine")
    ended = stage.run("openvet-pip", "download", "good")
    assert ended.code == 0, ended.err
    assert (stage.project / "good-1.0-py3-none-any.whl").exists()
    assert (stage.project / "mine.whl").read_text() == "mine"


@pytest.mark.parametrize("how", ["variable", "file"])
def test_the_output_may_be_named_elsewhere(stage, out, how):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    env = {"PIP_DEST": str(out)}
    if how == "file":
        path = stage.folder / "config/pip/pip.conf"
        path.parent.mkdir(parents=True)
        path.write_text(f"[download]\ndest = {out}\n")
        env = {}
    ended = stage.run("openvet-pip", "download", "good", env=env)
    assert ended.code == 0, ended.err
    assert [path.name for path in out.iterdir()] == ["good-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_build_drops_into_the_output_is_removed_and_told(stage, out, command):
    evil = make_wheel("good", "9.0")
    code = (
        f"open({str(out / wheel_name('good', '9.0'))!r}, 'wb').write(bytes.fromhex({evil.hex()!r}))\n"
        f"open({str(out / 'source-1.0-py3-none-any.whl.txt')!r}, 'w').write('x')\n"
    )
    source = backend(stage, "source", "1.0", code)
    source += "\ndef get_requires_for_build_wheel(config_settings=None):\n"
    source += "".join(f"    {line}\n" for line in code.splitlines()) + "    return []\n"
    stage.sdist("source", "1.0", YES, backend=source)
    stage.policy(WARN)
    (out / "mine.txt").write_text("mine")
    ended = stage.run("openvet-pip", command, COMMANDS[command], str(out), "source")
    assert ended.code == 65, ended.err
    assert "good-9.0" in ended.err
    assert {path.name for path in out.iterdir()} <= {"mine.txt", "source-1.0-py3-none-any.whl", "source-1.0.tar.gz"}
    assert (out / "mine.txt").read_text() == "mine"


def test_a_folder_of_our_own_environment_is_no_output(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    before = everything(stage)
    link = stage.folder / "link"
    link.symlink_to(sys.prefix)
    for place in (sys.prefix, str(link), f"{link}/lib"):
        stopped(stage, stage.run("openvet-pip", "download", "-d", place, "good"), 64, before=before)


def test_index_versions_shows_what_is_approved(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0")
    stage.policy()
    ended = stage.run("openvet-pip", "index", "versions", "good")
    assert ended.code == 0, ended.err
    assert "Available versions: 1.0\n" in ended.out
    before = everything(stage)
    stopped(stage, stage.run("openvet-pip", "index", "frob", "good"), 64, before=before)
    stopped(stage, stage.run("openvet-pip", "index", "versions", "../good"), 64, before=before)


def test_a_lock_names_the_index_and_what_is_approved(stage, out):
    digest = stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0")
    stage.policy()
    ended = stage.run("openvet-pip", "lock", "good", "-o", str(out / "pylock.toml"))
    assert ended.code == 0, ended.err
    text = (out / "pylock.toml").read_text()
    assert digest in text
    assert stage.index.origin in text
    assert 'version = "2.0"' not in text


@pytest.mark.parametrize("sdist", [False, True], ids=["wheel", "sdist"])
def test_a_lock_takes_no_unapproved_archive(stage, out, sdist):
    path = out / (sdist_name("evil", "1.0") if sdist else wheel_name("evil", "1.0"))
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker) if sdist else make_wheel("evil", "1.0"))
    (stage.project / "r.txt").write_text(f"{path}\n")
    (stage.project / "pylock.toml").write_text("as it was\n")
    stage.policy()
    before = everything(stage)
    for words in ([str(path)], ["-r", "r.txt"], [f"evil @ {path.as_uri()}", "-o", "-"]):
        ended = stage.run("openvet-pip", "lock", *words)
        stopped(stage, ended, 77, before=before)
        assert "pypi:evil@1.0" in ended.err
    stopped(stage, stage.run("openvet-pip", "lock", str(path), "-o", "/dev/null"), 64, before=before)
    assert (stage.project / "pylock.toml").read_text() == "as it was\n"


def test_no_setting_for_backends_from_the_target(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy(BENIGN)
    (stage.environment / "pip.conf").write_text("[global]\nconfig-settings = a=b\n")
    before = everything(stage)
    stopped(stage, stage.run(*PIP, "good"), 78, before=before)


WAYS = ("address", "path", "links", "index", "silent")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("link", [False, True], ids=["file", "link"])
def test_what_lies_in_the_output_is_not_taken_for_a_download(stage, out, command, way, link):
    # pip takes a file of that name for what it would fetch, unless it knows a hash.
    name = sdist_name("good", "1.0")
    stage.sdist("good", "1.0", None if way == "silent" else YES)
    stage.policy(WARN if way == "silent" else BENIGN)
    evil = stage.folder / "evil"
    evil.write_bytes(make_sdist("good", "1.0", marker=stage.folder / "ran", files={"more": ""}))
    (out / name).symlink_to(evil) if link else (out / name).write_bytes(evil.read_bytes())
    here = stage.folder / "here"
    here.mkdir()
    (here / name).write_bytes(stage.index.entries[name].body)
    stage.index.lies.hashes = ()
    words = {
        "address": [stage.index.file_url(name)],
        "path": [str(here / name)],
        "links": ["--no-index", "--find-links", str(here), "good"],
    }.get(way, ["good"])
    before = everything(stage)
    ended = stage.run("openvet-pip", command, COMMANDS[command], str(out), *words)
    stopped(stage, ended, 77, before=before)
    assert not (stage.folder / "ran").exists()
    assert f"pip would take {out / name}" in ended.err


@pytest.mark.parametrize("way", ["address", "path", "links", "index"])
def test_a_second_download_of_what_is_approved(stage, out, way):
    name = sdist_name("good", "1.0")
    stage.sdist("good", "1.0", YES)
    stage.policy()
    here = stage.folder / "here"
    here.mkdir()
    (here / name).write_bytes(stage.index.entries[name].body)
    stage.index.lies.hashes = ()
    words = {
        "address": [stage.index.file_url(name)],
        "path": [str(here / name)],
        "links": ["--no-index", "--find-links", str(here), "good"],
    }.get(way, ["good"])
    for _ in range(2):
        ended = stage.run("openvet-pip", "download", "-d", str(out), *words)
        assert (ended.code, ended.ours) == (0, []), ended.err
    assert [path.name for path in out.iterdir()] == [name]
