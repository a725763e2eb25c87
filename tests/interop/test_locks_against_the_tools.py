"""`select` against what uv and pip themselves would install, for locks made now from the public index."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from uv import find_uv_bin

from openvet_install.installers.locks import Wanted, read_lock, select

pytestmark = pytest.mark.network

PROJECT = """\
[project]
name = "the-project"
version = "0.1"
requires-python = ">=3.9"
dependencies = [
  "flask[async]",
  "httpx[http2,socks]",
  "markupsafe",
  "tomli; python_version < '3.11'",
  "colorama; sys_platform == 'win32'",
  "member",
]
[project.optional-dependencies]
old = ["idna==3.9"]
new = ["idna==3.10"]
[dependency-groups]
dev = ["iniconfig", { include-group = "more" }]
more = ["toposort"]
docs = ["markdown"]
[tool.uv]
conflicts = [[{ extra = "old" }, { extra = "new" }]]
[tool.uv.workspace]
members = ["member"]
[tool.uv.sources]
member = { workspace = true }
"""
MEMBER = """\
[project]
name = "member"
version = "0.1"
requires-python = ">=3.9"
dependencies = ["blinker"]
[dependency-groups]
dev = ["pyflakes"]
"""

UV = find_uv_bin()


def run(*command, cwd):
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "member").mkdir()
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (folder / "member" / "pyproject.toml").write_text(MEMBER, encoding="utf-8")
    run(UV, "lock", "--quiet", "--python", sys.executable, cwd=folder)
    return folder


def ours(lock, wanted=None):
    return select(lock, list(sys_tags()), default_environment(), wanted)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ((), Wanted()),
        (("--extra", "old"), Wanted(extras=frozenset({"old"}))),
        (("--extra", "new", "--no-dev"), Wanted(extras=frozenset({"new"}), groups=frozenset())),
        (("--group", "docs"), Wanted(groups=frozenset({"dev", "docs"}))),
        (("--package", "member"), Wanted(roots=("member",))),
        (("--all-packages",), Wanted(roots=("the-project", "member"))),
    ],
    ids=lambda value: "" if isinstance(value, Wanted) else " ".join(value),
)
def test_uv_sync_would_install_the_same(project, flags, wanted):
    told = run(UV, "sync", "--frozen", "--dry-run", "--output-format", "json", *flags, cwd=project)
    changes = json.loads(told)["sync"]["changes"]
    selection = ours(read_lock(project / "uv.lock"), wanted)

    theirs = {one["name"]: one.get("version") for one in changes}
    files = {one.file.name: one.file.version for one in selection.files}
    installed = {one.name: None for one in selection.direct if one.source.kind != "virtual"}
    assert {**files, **installed} == theirs


def test_uv_takes_the_same_wheels(project, tmp_path):
    environment = tmp_path / "environment"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment, cwd=project)
    exported = run(UV, "export", "--quiet", "--frozen", "--no-hashes", "--no-emit-workspace", cwd=project)
    (tmp_path / "pins.txt").write_text(exported, encoding="utf-8")
    run(
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        environment / "bin" / "python",
        "-r",
        tmp_path / "pins.txt",
        cwd=project,
    )

    tags = {}
    for wheel in environment.glob("lib/python*/site-packages/*.dist-info/WHEEL"):
        lines = wheel.read_text(encoding="utf-8").splitlines()
        name = wheel.parent.name.partition("-")[0].replace("_", "-").replace(".", "-").lower()
        tags[name] = {line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: ")}
    chosen = {
        one.file.name: {str(tag) for tag in parse_wheel_filename(one.file.filename)[3]}
        for one in ours(read_lock(project / "uv.lock")).files
    }
    assert chosen == tags


def test_pip_would_install_the_same_files_from_a_pylock(project, tmp_path):
    path = tmp_path / "pylock.toml"
    run(UV, "export", "--quiet", "--frozen", "--no-emit-workspace", "--format", "pylock.toml", "-o", path, cwd=project)
    command = ("install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", "-r", path)
    report = json.loads(run(sys.executable, "-m", "pip", *command, cwd=tmp_path))

    theirs = {
        one["download_info"]["url"]: one["download_info"]["archive_info"]["hashes"]["sha256"]
        for one in report["install"]
    }
    assert {one.file.url: one.file.sha256 for one in ours(read_lock(path)).files} == theirs


def test_a_lock_of_pip(tmp_path):
    path = tmp_path / "pylock.toml"
    run(sys.executable, "-m", "pip", "lock", "--quiet", "-o", path, "httpx[http2]", "markupsafe", cwd=tmp_path)
    lock = read_lock(path)

    assert len(ours(lock).files) == len(lock.packages) > 5
