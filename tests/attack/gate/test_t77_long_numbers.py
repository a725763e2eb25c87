"""T77: a version of more digits than Python reads as a number, wherever it stands, is told in words and is no bug."""

import pytest

from tests.support.attacks import PIP, UV
from tests.support.projects import HEAD
from tests.support.stage import YES
from tests.support.wheels import make_wheel

LONG = "1" * 5000
EACH = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
CHECK = ("openvet-install", "check")


@EACH
def test_files_of_a_page(stage, tool):
    stage.wheel("good", "1.0", YES)
    for filename in (f"good-{LONG}-py3-none-any.whl", f"good-2.0-{LONG}-py3-none-any.whl", f"good-{LONG}.tar.gz"):
        stage.index.add(make_wheel("good", "2.0"), filename=filename, project="good")
    stage.policy()
    ended = stage.run(*tool, "good")
    assert (ended.code, stage.installed) == (0, {"good": "1.0"}), ended.err


@EACH
@pytest.mark.parametrize("line", [f"other=={LONG}", f"other ; python_version >= '{LONG}'"], ids=["version", "marker"])
def test_what_a_wheel_asks_for(stage, tool, line):
    stage.wheel("good", "1.0", YES, requires=[line])
    stage.policy()
    ended = stage.run(*tool, "good")
    assert (ended.code, stage.installed) == (65, {}), ended.err
    assert "a number that no version has" in ended.err


@pytest.mark.parametrize("line", [f"good=={LONG}", f"good ; python_version > '{LONG}'"], ids=["version", "marker"])
def test_what_people_ask_for(stage, line):
    stage.policy()
    (stage.project / "requirements.txt").write_text(f"# one\n{line} --hash=sha256:{'0' * 64}\n")
    for words in ((*PIP, line), (*UV, line), (*PIP, "-r", "requirements.txt"), (*CHECK, "requirements.txt")):
        ended = stage.run(*words)
        assert (ended.code, "a thousand digits" in ended.err) == (64, True), ended.err


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml"])
def test_locks(stage, name):
    stage.policy()
    (stage.project / "pyproject.toml").write_text(HEAD)
    (stage.project / name).write_text(f'version = 1\nlock-version = "1.0"\nrequires-python = ">={LONG}"\n')
    ended = stage.run(*CHECK)
    assert (ended.code, "a thousand digits" in ended.err) == (64, True), ended.err
