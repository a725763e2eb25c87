"""`uv tool install`: gated, into the environment and folder of commands that uv itself keeps."""

import subprocess

import pytest

from tests.support.attacks import evil_sdist
from tests.support.stage import NO, PROGRAMS, WARN, YES

INSTALL = ("openvet-uv", "tool", "install")
OPTIONS = {"files": {"tool.py": "def main():\n    print('ran')\n"}, "entry_points": {"my-tool": "tool:main"}}


@pytest.fixture
def stage(stage):
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    stage.environment = stage.folder / "UV_TOOL_DIR" / "my-tool"
    return stage


def plain(stage, *words, **variables):
    own = {"UV_CACHE_DIR": str(stage.folder / "plain-cache"), "TMPDIR": str(stage.folder), **variables}
    return subprocess.run(
        [str(PROGRAMS / "uv"), *words], env=stage.variables | own, cwd=stage.project, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_the_newest_approved_release_is_installed_as_uv_would(stage):
    stage.wheel("my-tool", "1.0", YES, requires=["extra"], **OPTIONS)
    stage.wheel("my-tool", "2.0", **OPTIONS)
    for name in ("extra", "more"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    (stage.project / "uv.toml").write_text('http-proxy = "http://127.0.0.1:9"\n')
    (stage.project / "r.txt").write_text("more\n")
    ended = stage.run(*INSTALL, "my-tool", "--with", "extra", "--with-requirements", "r.txt")
    assert ended.code == 0, ended.err
    assert ended.ours == ["openvet: held back: my-tool 1.0, newest 2.0 is unaudited, 1057 days old"] or ended.ours
    assert stage.installed == {"extra": "1.0", "more": "1.0", "my_tool": "1.0"}
    command = stage.folder / "UV_TOOL_BIN_DIR" / "my-tool"
    assert subprocess.run([command], check=True, capture_output=True, text=True).stdout == "ran\n"
    ours = (stage.environment / "uv-receipt.toml").read_text()
    (stage.project / "uv.toml").unlink()
    again = {name: str(stage.folder / "plain" / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    words = ("tool", "install", "my-tool", "--with", "extra", "--with-requirements", "r.txt")
    assert plain(stage, *words, **again).returncode == 0
    plainly = (stage.folder / "plain" / "UV_TOOL_DIR" / "my-tool" / "uv-receipt.toml").read_text()
    assert ours == plainly.replace(str(stage.folder / "plain"), str(stage.folder))
    assert stage.leftovers == []
    assert stage.run(*INSTALL, "my-tool").code == 0
    assert stage.run("openvet-uv", "tool", "list").out.startswith("my-tool v1.0")
    assert stage.run("openvet-uv", "tool", "uninstall", "my-tool").code == 0
    assert not stage.environment.exists()


@pytest.mark.parametrize("mode", ["block", "warn"])
def test_what_is_not_approved_is_not_installed(stage, mode):
    stage.sdist("my-tool", "1.0", NO if mode == "warn" else None)
    stage.wheel("good", "1.0", YES, entry_points={"good": "good:NAME"})
    stage.policy(*([WARN] if mode == "warn" else []))
    for words in (["my-tool"], ["my-tool@1.0"], ["--from", "my-tool==1.0", "my-tool"], ["good", "--with", "my-tool"]):
        ended = stage.run(*INSTALL, *words)
        assert ended.code == 77, (words, ended.err)
        assert not stage.marker.exists()
        assert not (stage.folder / "UV_TOOL_BIN_DIR").exists() or not list((stage.folder / "UV_TOOL_BIN_DIR").iterdir())
    assert not stage.environment.exists()
    plain(stage, "tool", "install", "my-tool")
    assert stage.marker.exists()


def test_what_is_no_tool_or_was_approved_by_nobody(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    path = evil_sdist(stage)
    for code, words in (
        (77, [str(path)]), (77, ["--from", f"evil @ {path.as_uri()}", "evil"]), (77, ["--with", str(path), "good"]),
        (64, ["-e", "."]), (77, ["--from", "git+file:///d", "evil"]), (64, ["--with-editable", "..", "good"]),
        (64, ["--find-links", "d", "good"]), (64, []), (64, ["python"]), (64, ["a", "b"]),
    ):  # fmt: skip
        ended = stage.run(*INSTALL, *words)
        assert ended.code == code, (words, ended.code, ended.err)
    assert not stage.marker.exists()
    assert not stage.environment.parent.exists() or not list(stage.environment.parent.glob("*/"))


def test_what_was_withdrawn_since_is_not_installed_again(stage):
    digest = stage.wheel("my-tool", "1.0", YES, **OPTIONS)
    stage.policy(WARN + 'check-every = "0s"\n')
    assert stage.run(*INSTALL, "my-tool").code == 0
    stage.log.publish("My_Tool", "1", variant="other", sha256=digest, claims={"is-benign": False})
    ended = stage.run(*INSTALL, "my-tool", "--reinstall")
    assert ended.code == 77
    assert "contradicted" in ended.err
