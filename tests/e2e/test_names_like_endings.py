"""Projects that are called like the last part of an archive's ending: no reader takes them for files."""

from tests.support.attacks import BOTH
from tests.support.stage import YES


@BOTH
def test_a_project_called_like_a_compression(stage, tool):
    stage.wheel("backports-lzma", "1.0", YES)
    stage.wheel("one", "1.0", YES, requires=["backports.lzma"])
    stage.wheel("two", "1.0", YES)
    stage.policy()
    assert stage.run(*tool, "one").code == 0
    (stage.project / "r.txt").write_text("backports.lzma\ntwo\n")
    ended = stage.run(*tool, "--upgrade", "-r", "r.txt", "backports.lzma")
    assert ended.code == 0, ended.err
    assert stage.installed == {"backports_lzma": "1.0", "one": "1.0", "two": "1.0"}
