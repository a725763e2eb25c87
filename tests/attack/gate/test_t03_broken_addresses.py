"""T03: addresses that are none, wherever they are read, end in words and nothing happens."""

import pytest

from tests.support.attacks import PIP, UV, everything, stopped
from tests.support.stage import YES

BAD = [
    *("file://[x", "https://[x/y.py", "https://[x]y/y.txt", "https://x:port/y", "https://x:99999/y", "git+https://[x"),
    *("https://u:p@[::1/y", "https://\u2100.x/y", "file:///a%00b/y-1.0-py3-none-any.whl", "a\0b"),
]
PYLOCK = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "good"\nversion = "1.0"\n'
WHEEL = '[[packages.wheels]]\nname = "good-1.0-py3-none-any.whl"\nhashes = {{ sha256 = "{digest}" }}\n'
ENTRIES = {
    "index": f'index = "{{bad}}"\n{WHEEL}url = "https://x.invalid/good-1.0-py3-none-any.whl"\n',
    "url": WHEEL + 'url = "{bad}"\n',
    "archive": '[packages.archive]\nurl = "{bad}"\nhashes = {{ sha256 = "{digest}" }}\n',
    "path": '[packages.archive]\npath = "{bad}"\nhashes = {{ sha256 = "{digest}" }}\n',
    "folder": '[packages.directory]\npath = "{bad}"\n',
}


@pytest.fixture
def stage(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    return stage


def stops(stage, before, *words):
    ended = stage.run(*words)
    stopped(stage, ended, 1, 2, 64, 65, 69, 77, 78, before=before)  # 1 and 2: the tool's own words


@pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
@pytest.mark.parametrize("bad", BAD[:-1])
def test_in_words_and_files_of_requirements(stage, tool, bad):
    (stage.project / "r.txt").write_text(f"-f {bad}\n-r {bad}\n-e {bad}\n{bad}\ngood @ {bad}\n")
    (stage.project / "more.txt").write_text(f"-r {bad}\n")
    before = everything(stage)
    for words in (["-r", "r.txt"], ["-r", "more.txt"], ["-r", bad], ["-c", bad, "good"], [bad], ["-e", bad]):
        stops(stage, before, *tool, *words)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("bad", BAD)
def test_in_a_lock(stage, entry, bad):
    text = ENTRIES[entry].format(bad=bad.replace("\0", "\\u0000"), digest="0" * 64)
    (stage.project / "pylock.toml").write_text(PYLOCK + text)
    before = everything(stage)
    stops(stage, before, *PIP, "-r", "pylock.toml")
    stops(stage, before, "openvet-uv", "pip", "sync", "pylock.toml")
    if entry != "folder":  # to `check` one is called like that
        stops(stage, before, "openvet-install", "check")
