"""T05, T15: what a `uv.lock` says of build requirements, for which it has no entries: uv takes them from there."""

import hashlib
import io
import subprocess
import tarfile

import pytest

from tests.support.projects import in_project, plain_uv, state, unchanged, write
from tests.support.stage import BENIGN, PROGRAMS, WARN, YES
from tests.support.wheels import make_sdist, sdist_name

FROZEN = ("sync", "--frozen")
SCRIPT = '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["built"]\n# ///\n'
SCRIPTS = {"script": ("run", "job.py"), "its environment": ("sync", "--frozen", "--script", "job.py")}
WAYS = {"run": ("run", "--frozen", "true"), "sync": FROZEN, **SCRIPTS}
KINDS = ("path", "directory", "editable", "git", "url")


def unread(stage, kind):
    """Put a build requirement that nobody approved beside the project; return how a lock names it."""
    raw, folder = make_sdist("maker", "9.0", marker=stage.marker), stage.folder / "d"
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        archive.extractall(folder)
    (folder / sdist_name("maker", "9.0")).write_bytes(raw)
    source = folder / "maker-9.0"
    if kind == "git":
        for words in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x"],
        ):
            subprocess.run(["git", *words], cwd=source, check=True)
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, check=True, capture_output=True, text=True)
        return f'git = "file://{source}?rev={head.stdout.strip()}#{head.stdout.strip()}"'
    if kind in ("path", "url"):
        return f'{kind} = "{"file://" * (kind == "url")}{folder / sdist_name("maker", "9.0")}"'
    return f'{kind} = "{source}"'


def locked(stage, kind, *, script=False, text=WARN):
    """A project, or a script, that needs an approved sdist whose build requirement is approved; and its lock."""
    stage.wheel("maker", "1.0", YES)
    body = make_sdist("built", "1.0", build_requires=["maker"])
    stage.index.add(body, filename=sdist_name("built", "1.0"))
    stage.log.publish("built", "1.0", variant="sdist", sha256=hashlib.sha256(body).hexdigest(), claims=YES)
    stage.policy(text)
    in_project(stage)
    if script:
        (stage.project / "job.py").write_text(SCRIPT)
    else:
        write(stage, "built")
    plain_uv(stage, "lock", *(["--script", "job.py"] if script else []))
    lock = stage.project / ("job.py.lock" if script else "uv.lock")
    told = f'build-constraints = [{{ name = "maker", {unread(stage, kind)} }}]\n'
    before = lock.read_text()
    head = "[manifest]\n" if "[manifest]\n" in before else "[[package]]\n"
    lock.write_text(before.replace(head, f"[manifest]\n{told}" + ("" if script else f"\n{head}"), 1))


def test_plain_uv_takes_them_from_there(stage):
    locked(stage, "path")
    subprocess.run(
        [str(PROGRAMS / "uv"), "--no-cache", *FROZEN], env=stage.variables, cwd=stage.project, check=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert stage.marker.exists()


@pytest.mark.parametrize(
    ("way", "kind"), [*(("sync", kind) for kind in KINDS), *((way, "path") for way in ("run", *SCRIPTS))]
)
def test_they_come_from_an_index(stage, way, kind):
    locked(stage, kind, script=way in SCRIPTS)
    before = state(stage)
    unchanged(stage, stage.run("openvet-uv", *WAYS[way]), before, 64, 77)


def test_or_from_folders_of_ours(stage):
    locked(stage, "directory", text=BENIGN + 'local-projects = ["."]\n')
    (stage.folder / "d").rename(stage.project / "d")
    lock = stage.project / "uv.lock"
    lock.write_text(lock.read_text().replace(f"{stage.folder}/d/", "d/", 1))
    ended = stage.run("openvet-uv", *FROZEN)
    assert ended.code == 0, ended.err
    assert stage.marker.exists()
