"""T03: `--requirements-from-script`: pip reads more characters as ends of lines than what we read the metadata with."""

import pytest

from tests.support.attacks import PIP, everything, evil_sdist, plain, stopped
from tests.support.stage import WARN, YES

ENDS = {"separator": "\u2028", "next line": "\x85", "form feed": "\x0c"}
"""Of lines, for `str.splitlines` alone: pip drops the first character behind each, which ends a text for it."""


def script(stage, end):
    path = evil_sdist(stage)
    (stage.project / "s.py").write_text(
        f'''# /// script
# x = """{end}\\"""
# dependencies = ["evil @ {path.as_uri()}"]
# y = """
# #"""
# ///
'''
    )


@pytest.mark.parametrize("end", list(ENDS)[:2])
def test_plain_pip_reads_more(stage, end):
    script(stage, ENDS[end])
    assert plain(stage, PIP, "--requirements-from-script", "s.py") == 0
    assert stage.marker.exists()


@pytest.mark.parametrize("end", ENDS)
def test_under_the_gate(stage, end):
    stage.wheel("good", "1.0", YES)
    script(stage, ENDS[end])
    stage.policy(WARN)
    before = everything(stage)
    ended = stage.run(*PIP, "--requirements-from-script", "s.py", "good")
    if end == "form feed":  # TOML knows none
        stopped(stage, ended, 64, before=before)
        return
    assert (ended.code, stage.installed) == (0, {"good": "1.0"}), ended.err
    assert not stage.marker.exists()
