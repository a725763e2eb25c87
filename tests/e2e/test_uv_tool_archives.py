"""`uv tool install` of archives of this machine: judged by their bytes, and noted down as uv would."""

import hashlib
import json
import subprocess

import pytest

from tests.e2e.test_uv_tool_folders import FILES, receipts
from tests.e2e.test_uv_tool_install import INSTALL, plain
from tests.e2e.test_uv_tool_upgrade import UPGRADE
from tests.support.stage import YES
from tests.support.wheels import make_sdist, make_wheel

WHEEL, SDIST = "my_tool-1.0-py3-none-any.whl", "my_tool-1.0.tar.gz"


@pytest.fixture
def stage(stage):
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    stage.environment = stage.folder / "UV_TOOL_DIR" / "my-tool"
    for name in ("good", "more"):
        stage.wheel(name, "1.0", YES)
    stage.wheel("good", "2.0")
    wheel = make_wheel("my-tool", "1.0", requires=["good<2"], files=FILES)
    sdist = make_sdist("my-tool", "1.0", requires=["good<2"], wheel_requires=["good<2"], wheel_files=FILES)
    for name, raw, variant in ((WHEEL, wheel, "py3-none-any"), (SDIST, sdist, "sdist")):
        (stage.project / name).write_bytes(raw)
        stage.log.publish("my-tool", "1.0", variant=variant, sha256=hashlib.sha256(raw).hexdigest(), claims=YES)
    beside = make_wheel("beside", "1.0", requires=["more"])
    digest = hashlib.sha256(beside).hexdigest()
    stage.log.publish("beside", "1.0", variant="py3-none-any", sha256=digest, claims=YES)
    (stage.project / "beside-1.0-py3-none-any.whl").write_bytes(beside)
    stage.policy()
    return stage


WORDS = {
    "a path": ["./{wheel}"],
    "a name": ["{wheel}"],
    "an absolute path": ["{path}"],
    "an address": ["my-tool @ {uri}"],
    "a plain address": ["{uri}"],
    "an sdist": ["./{sdist}"],
    "a source": ["my-tool", "--from", "./{wheel}"],
    "a source that is an sdist": ["my-tool", "--from", "{sdist}"],
    "another archive": ["./{wheel}", "--with", "./beside-1.0-py3-none-any.whl,more"],
    "another archive beside a name": ["more", "--with", "beside @ {beside}"],
}


@pytest.mark.parametrize("kind", WORDS)
def test_as_plain_uv(stage, kind):
    path = stage.project / WHEEL
    beside = (stage.project / "beside-1.0-py3-none-any.whl").as_uri()
    words = [one.format(wheel=WHEEL, sdist=SDIST, path=path, uri=path.as_uri(), beside=beside) for one in WORDS[kind]]
    if words[0] == "more":
        files = {one.replace("1.0", "2.0"): text for one, text in FILES.items()}
        stage.wheel("my-tool", "2.0", YES, files=files)
        stage.policy()
        words[0] = "my-tool"
    ended = stage.run(*INSTALL, *words)
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert ("beside" in stage.installed) == ("another" in kind)
    command = stage.folder / "UV_TOOL_BIN_DIR" / "my-tool"
    assert subprocess.run([command], check=True, capture_output=True, text=True).stdout == "ran\n"
    if words[0] != "my-tool" or "--from" in words:
        (told,) = stage.environment.glob("lib/python*/site-packages/my_tool-1.0.dist-info/direct_url.json")
        assert json.loads(told.read_text())["url"] == (stage.project / (SDIST if "sdist" in kind else WHEEL)).as_uri()
    ours, plainly = receipts(stage, *words)
    assert ours == plainly
    assert stage.leftovers == []


def test_forced(stage):
    files = {one.replace("1.0", "2.0"): text for one, text in FILES.items()}
    stage.wheel("my-tool", "2.0", YES, files=files)
    stage.policy()
    for words in (["my-tool"], ["my-tool", "--force"], ["my-tool", "--force", "--with", "more"]):
        ended = stage.run(*INSTALL, *words)
        assert ended.code == 0, ended.err


def test_it_stays_and_is_found_again(stage):
    for words in (["./" + WHEEL], ["./" + WHEEL], ["my-tool", "--from", SDIST, "--force"]):
        ended = stage.run(*INSTALL, *words)
        assert ended.code == 0, ended.err
    assert "my-tool v1.0" in stage.run("openvet-uv", "tool", "list").out


def noted(stage):
    (told,) = stage.environment.glob("lib/python*/site-packages/my_tool-1.0.dist-info/direct_url.json")
    requirements = (stage.environment / "uv-receipt.toml").read_text().partition("entrypoints")[0]
    return requirements, json.loads(told.read_text())["url"]


@pytest.mark.parametrize("archive", [WHEEL, SDIST], ids=["wheel", "sdist"])
def test_an_upgrade(stage, archive):
    words = ["./" + archive, "--with", "./beside-1.0-py3-none-any.whl"]
    assert stage.run(*INSTALL, *words).code == 0
    before = noted(stage)
    assert before[1] == (stage.project / archive).as_uri()
    for version, claims in (("1.5", YES), ("1.6", None)):
        stage.wheel("good", version, claims)
    stage.policy()
    ended = stage.run(*UPGRADE, "my-tool")
    assert ended.code == 0, ended.err
    needs = {"good": "1.5"} if archive == WHEEL else {}  # the sdist says in its PKG-INFO that it needs nothing
    assert stage.installed == {"beside": "1.0", "more": "1.0", "my_tool": "1.0", **needs}
    assert noted(stage) == before
    ours, _installed = receipts(stage, *words)
    again = {name: str(stage.folder / "plain" / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    assert plain(stage, "tool", "upgrade", "my-tool", **again).returncode == 0
    plainly = (stage.folder / "plain" / "UV_TOOL_DIR" / "my-tool" / "uv-receipt.toml").read_text()
    assert ours == plainly.replace(str(stage.folder / "plain"), str(stage.folder))
    assert stage.leftovers == []


def test_an_upgrade_after_one_that_was_killed(stage):
    """It left the names of its copies in the receipt."""
    assert stage.run(*INSTALL, "./" + WHEEL).code == 0
    before = noted(stage)
    key = hashlib.sha256(str(stage.project / WHEEL).encode()).hexdigest()[:16]
    place = stage.environment / "uv-receipt.toml"
    place.write_text(place.read_text().replace(f'path = "{stage.project}/', f'path = "/tmp/gone/archives/{key}/'))
    assert noted(stage) != before
    ended = stage.run(*UPGRADE, "my-tool")
    assert ended.code == 0, ended.err
    assert noted(stage) == before


def test_what_an_upgrade_does_not_take(stage):
    """Other bytes at the place of the archive, before and while uv runs, and nothing there."""
    assert stage.run(*INSTALL, "./" + WHEEL).code == 0
    before, path = noted(stage), stage.project / WHEEL
    good, evil = path.read_bytes(), make_wheel("my-tool", "1.0", files={**FILES, "evil.py": "1"})
    path.write_bytes(evil)
    ended = stage.run(*UPGRADE, "my-tool")
    assert (ended.code, "unaudited" in ended.err, noted(stage)) == (77, True, before), ended.err
    path.write_bytes(good)
    swapped = []
    stage.index.lies.at_request = lambda _number, _asked: swapped.append(path.write_bytes(evil))
    ended = stage.run(*UPGRADE, "my-tool")
    assert (ended.code, path.read_bytes() == evil, noted(stage)) == (0, True, before), ended.err
    assert list(stage.environment.glob("lib/python*/site-packages/evil.py")) == []
    path.unlink()
    ended = stage.run(*UPGRADE, "my-tool")
    assert (ended.code, "no such file" in ended.err, noted(stage)) == (64, True, before), ended.err
    assert stage.installed == {"good": "1.0", "my_tool": "1.0"}
