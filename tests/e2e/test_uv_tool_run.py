"""`uv tool run`: the tool in a new environment, checked, its command outside of the gate as plain uv starts it."""

import json
import subprocess

from tests.support.stage import PROGRAMS, YES

RUN = ("openvet-uv", "tool", "run")
TOOL = """import json, os, sys
def main():
    print(json.dumps([dict(os.environ), sys.argv[1:], sys.prefix]))
    sys.exit(3)
"""


def plain(stage, *words):
    own = {"UV_CACHE_DIR": str(stage.folder / "plain-cache"), "TMPDIR": str(stage.folder)}
    return subprocess.run(
        [str(PROGRAMS / "uv"), *words], env=stage.variables | own, cwd=stage.project, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def tool(stage, **options):
    stage.wheel("my-tool", "1.0", YES, files={"tool.py": TOOL}, entry_points={"my-tool": "tool:main"}, **options)
    stage.wheel("my-tool", "2.0", files={"tool.py": "raise SystemExit(9)"}, entry_points={"my-tool": "tool:main"})


def test_the_newest_approved_release_of_a_tool_runs_as_under_uv(stage):
    tool(stage)
    stage.policy()
    (stage.project / "uv.toml").write_text('http-proxy = "http://127.0.0.1:9"\n')
    ended = stage.run(*RUN, "my-tool", "--version", "a b")
    assert ended.code == 3, ended.err
    assert "held back: my-tool 1.0, newest 2.0 is unaudited" in ended.err
    found, words, prefix = json.loads(ended.out)
    assert words == ["--version", "a b"]
    assert "environments" in prefix
    (stage.project / "uv.toml").unlink()
    plainly, _words, _prefix = json.loads(plain(stage, "tool", "run", "my-tool==1.0").stdout)
    assert {*found} == {*plainly} - {"UV_CACHE_DIR"}
    assert found["VIRTUAL_ENV"] == plainly["VIRTUAL_ENV"]
    assert stage.leftovers == []
    assert list((stage.folder / "cache" / "openvet-install" / "environments").iterdir()) == []
    assert stage.installed == {}


def test_versions_other_commands_and_what_is_added(stage):
    tool(stage)
    stage.wheel("extra", "1.0", YES, files={"extra.py": "VALUE = 8\n"})
    stage.policy()
    for words in (["my-tool@1.0"], ["my-tool==1.0"], ["my-tool@latest"], ["--from", "my-tool", "my-tool"]):
        assert stage.run(*RUN, *words).code == 3, words
    ended = stage.run(
        *RUN, "--with", "extra", "--from", "my-tool", "python", "-c", "import extra, tool; print(extra.VALUE)"
    )
    assert (ended.code, ended.out) == (0, "8\n"), ended.err
    ended = stage.run(*RUN, "--with", "extra", "python", "-c", "import extra; print(extra.VALUE)")
    assert (ended.code, ended.out) == (0, "8\n"), ended.err


def test_a_command_that_the_tool_does_not_have(stage):
    stage.wheel("other", "1.0", YES, entry_points={"one": "other:NAME"})
    stage.policy()
    ours, plainly = stage.run(*RUN, "other"), plain(stage, "tool", "run", "other")
    assert ours.code == plainly.returncode == 1
    assert (
        plainly.stderr.partition("An executable")[2].splitlines()[:3]
        == ours.err.partition("An executable")[2].splitlines()
    )
