"""T28-T33: caches, what lies on disk afterwards, stores that are not believed, places of ours."""

import json
import os
import shutil
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tests.support.attacks import (
    BOTH,
    EVERY_RUN,
    PIP,
    UV,
    again,
    backend,
    everything,
    plain,
    site,
    stopped,
)  # fmt: skip
from tests.support.stage import WARN, YES, make_environment
from tests.support.wheels import make_wheel, wheel_name


def fresh(stage):
    shutil.rmtree(stage.environment)
    make_environment(stage.environment)


def cached(stage, name):
    found = [one for one in (stage.folder / "cache/openvet-install/uv").rglob(name) if one.is_file()]
    assert found, name
    return found


@pytest.mark.parametrize("how", ["edit", "pth", "record"])
def test_a_tampered_cache_of_uv_installs_nothing_of_it(stage, how):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    assert stage.run(*UV, "good").code == 0
    for path in cached(stage, "good.py"):
        before = path.stat()
        if how in ("edit", "record"):
            path.write_text("NAME = 'evil'\n"[: before.st_size].ljust(before.st_size))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        if how in ("pth", "record"):
            (path.parent / "evil.pth").write_text(f"import os; open({str(stage.marker)!r}, 'w')\n")
            for record in path.parent.glob("*.dist-info/RECORD"):
                record.write_text(record.read_text() + "evil.pth,,\n")
    fresh(stage)
    ended = stage.run(*UV, "good")
    assert ended.code in (0, 65)
    assert not (site(stage) / "evil.pth").exists()
    assert not stage.marker.exists()
    if ended.code == 0:
        assert (site(stage) / "good.py").read_text() == "NAME = 'good'\n"


def test_a_tampered_build_requirement_of_uvs_cache_never_runs(stage):
    stage.wheel("helper", "1.0", YES)
    stage.sdist("source", "1.0", YES, build_requires=["helper"])
    stage.sdist("other", "1.0", YES, build_requires=["helper"])
    stage.policy(WARN)
    assert stage.run(*UV, "source").code == 0
    for path in cached(stage, "helper.py"):
        (path.parent / "evil.pth").write_text(f"import os; open({str(stage.marker)!r} + '.evil', 'w')\n")
    assert stage.run(*UV, "other").code == 0
    assert not Path(f"{stage.marker}.evil").exists()


def test_a_tampered_built_wheel_of_uvs_cache_is_not_taken(stage):
    stage.sdist("source", "1.0", YES)
    stage.policy(WARN)
    assert stage.run(*UV, "source").code == 0
    for path in cached(stage, "source.py"):
        path.write_text("EVIL = 1\n")
    fresh(stage)
    assert stage.run(*UV, "source").code == 0
    assert "EVIL" not in (site(stage) / "source.py").read_text()


@pytest.mark.parametrize("kept", [True, False])
def test_what_uv_takes_from_its_cache_is_reported_as_what_it_fetches(stage, kept):
    """With and without our own copy of the bytes, which is got and opened ahead."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    first = stage.run("openvet-uv", "pip", "install", "good")
    stage.run("openvet-uv", "pip", "uninstall", "good")
    if not kept:
        shutil.rmtree(stage.folder / "cache" / "openvet-install" / "files")
    again = stage.run("openvet-uv", "pip", "install", "good")
    assert len(first.report["files"]) == 1
    assert again.report["files"] == first.report["files"]


def test_an_untouched_cache_of_uv_is_used_again(stage):
    stage.sdist("source", "1.0", YES)
    stage.policy(WARN)
    assert stage.run(*UV, "source").code == 0
    built = stage.marker.read_text()
    fresh(stage)
    assert stage.run(*UV, "source").code == 0
    assert stage.marker.read_text() == built


@BOTH
def test_approved_installed_withdrawn_installed_again(stage, tool):
    # The index says max-age=600 on every page; plain uv with a warm cache asks nobody.
    digest = stage.wheel("good", "1.0", YES)
    stage.policy(EVERY_RUN)
    assert stage.run(*tool, "good").code == 0
    from openvet_install.openvet.subject import Subject

    stage.log.withdraw(Subject.parse(f"pypi:good@1.0?py3-none-any#sha256:{digest}"))
    fresh(stage)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good"), 77, before=before)


@BOTH
def test_approved_installed_contradicted_installed_again(stage, tool):
    digest = stage.wheel("good", "1.0", YES)
    stage.policy(EVERY_RUN)
    assert stage.run(*tool, "good").code == 0
    stage.log.publish("Good", "1.0.0", variant="other", sha256=digest, claims={"is-benign": False})
    ended = stage.run(*tool, again(tool), "good")
    assert ended.code == 77, ended.err


TAMPERS = {
    "pth": "open(SITE + '/evil.pth', 'w').write('import evil')",
    "other": "open(SITE + '/old.py', 'a').write('EVIL = 1')",
    "bin": "open(TARGET + '/bin/evil', 'w').write('#!/bin/sh')",
    "python": "import os\nos.rename(TARGET + '/bin/activate', TARGET + '/bin/x')\nopen(TARGET + '/bin/activate', 'w')",
    "bytecode": (
        "import importlib.util, marshal, os\n"
        "path = importlib.util.cache_from_source(SITE + '/old.py')\n"
        "os.makedirs(os.path.dirname(path), exist_ok=True)\n"
        "status = os.stat(SITE + '/old.py')\n"
        "head = importlib.util.MAGIC_NUMBER + bytes(4) + int(status.st_mtime).to_bytes(4, 'little')\n"
        "head += status.st_size.to_bytes(4, 'little')\n"
        "open(path, 'wb').write(head + marshal.dumps(compile('EVIL = 1', SITE + '/old.py', 'exec')))"
    ),
    "pyvenv": "open(TARGET + '/pyvenv.cfg', 'a').write('include-system-site-packages = true')",
    "pip.conf": "open(TARGET + '/pip.conf', 'w').write('[global]')",
    "record": "open(SITE + '/old-1.0.dist-info/RECORD', 'a').write('evil.py,,')",
    "link": "import os\nos.symlink('/tmp', SITE + '/evil')",
    "egg": "open(SITE + '/evil.egg-link', 'w').write('/tmp')",
}


STAYS = {"other": "old.py", "record": "old-1.0.dist-info/RECORD"}
"""What was there before and is no configuration: its old bytes are gone."""


@pytest.mark.parametrize("name", TAMPERS)
def test_an_approved_build_that_writes_into_the_target(stage, name):
    # Whatever a build may do by itself, what it leaves in the target is seen, and taken out again.
    tool = UV if len(name) % 2 else PIP
    stage.wheel("old", "1.0", YES)
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", TAMPERS[name]))
    stage.policy(WARN)
    assert stage.run(*tool, "old").code == 0
    before = everything(stage)
    ended = stage.run(*tool, "source")
    assert ended.code == 65, ended.err
    assert any(line.startswith("openvet: invalid") for line in ended.ours)
    assert {one["undone"] for one in ended.report["unexpected"]} == {name not in STAYS}
    after = {path: raw for path, raw in everything(stage).items() if "source" not in path and "easy" not in path}
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert all(path.endswith({**STAYS, "bytecode": ".pyc"}.get(name, "-")) for path in changed), changed


def test_a_process_that_a_build_leaves_behind(stage):
    # It would wait until we have looked at the target.
    code = (
        "import subprocess, sys\n"
        "late = 'import time; time.sleep(3); open(%r, \"w\").write(\"import evil\")' % (SITE + '/evil.pth')\n"
        "quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "subprocess.Popen([sys.executable, '-I', '-c', late], start_new_session=True, **quiet)"
    )
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code))
    stage.policy()
    began = time.monotonic()
    ended = stage.run(*UV, "source")
    assert ended.code == 0, ended.err
    time.sleep(max(0.0, began + 5.0 - time.monotonic()))
    assert not (site(stage) / "evil.pth").exists()


@pytest.mark.parametrize("name", ["sitecustomize.py", "pip/__init__.py", "evil.data", "_virtualenv.pth"])
def test_what_was_built_brings_no_foreign_files(stage, name):
    files = {"source.py": "", name: "EVIL = 1\n"}
    if name == "evil.data":
        files = {"source.py": "", "source-1.0.data/scripts/python3": "#!/bin/sh\n"}
    stage.sdist("source", "1.0", YES, wheel_files=files)
    stage.policy(WARN)
    ended = stage.run(*(PIP if name == "evil.data" else UV), "source")  # uv itself refuses a script `python3`
    if name == "_virtualenv.pth":  # a .pth is the package's own to bring
        assert ended.code == 0
    else:
        assert ended.code == 65, ended.err


@BOTH
def test_what_was_there_before_is_counted(stage, tool):
    assert plain(stage, UV, "--no-index", str(_written(stage, "evil"))) == 0
    stage.policy(WARN)
    ended = stage.run(*tool, "evil")
    assert ended.code == 0
    assert ended.report["preinstalled"] == 1
    assert ended.report["files"] == []


def _written(stage, name):
    path = stage.folder / wheel_name(name, "1.0")
    path.write_bytes(make_wheel(name, "1.0"))
    return path


@BOTH
def test_flipped_bytes_in_our_stores_change_no_verdict(stage, tool):
    digest = stage.wheel("good", "1.0", YES)
    stage.wheel("evil", "1.0", {"is-benign": False})
    stage.policy(WARN)
    assert stage.run(*tool, "good").code == 0
    cache, state = stage.folder / "cache/openvet-install", stage.folder / "state/openvet-install"
    with sqlite3.connect(cache / "objects/objects.db") as database:
        rows = database.execute("SELECT kind, name, raw FROM objects").fetchall()
        assert rows
        for kind, name, raw in rows:
            other = raw[:-1] + bytes([raw[-1] ^ 1])
            database.execute("UPDATE objects SET raw = ? WHERE kind = ? AND name = ?", (other, kind, name))
    database.close()
    blob = cache / "files" / digest[:2] / digest
    raw = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    (note,) = (cache / "opened").iterdir()
    note.write_bytes(note.read_bytes().replace(b"good.py", b"evil.py"))
    fresh(stage)
    assert stage.run(*tool, "good").code == 0
    assert (site(stage) / "good.py").read_text() == "NAME = 'good'\n"
    assert stage.run(*tool, "evil").code == 77
    looks = state / "looks.json"
    good = json.loads(looks.read_text())
    for change in ({"newest": "00" * 32}, {"newest": "x"}, {"checked": "9999-01-01T00:00:00+00:00"}, None):
        changed = {url: [{**one, **(change or {})} for one in several] for url, several in good.items()}
        text = "{" if change is None else json.dumps(changed)
        looks.write_text(text)
        ended = stage.run(*tool, "evil")
        assert ended.code in (65, 69, 77), (text, ended.err)
        assert "Traceback" not in ended.err
    assert stage.installed == {"good": "1.0"}


@pytest.mark.parametrize(
    ("tool", "place"),
    [
        (PIP, "cache/openvet-install/files"), (PIP, "cache/openvet-install/files/tmp"),
        (UV, "cache/openvet-install/uv"), (PIP, "state/openvet-install/targets"),
    ],
)  # fmt: skip
def test_a_planted_link_in_place_of_our_folders(stage, tool, place):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    elsewhere = stage.folder / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    (stage.folder / place).parent.mkdir(parents=True)
    (stage.folder / place).symlink_to(elsewhere)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good"), 78, before=before)
    assert list(elsewhere.iterdir()) == []


def test_two_runs_in_one_target(stage):
    for name in ("one", "two", "three"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    stage.index.lies.delay = 0.3
    ended = {}
    tools = {"one": PIP, "two": UV, "three": UV}

    def go(name):
        command, _report = stage.command(*tools[name], name)
        import subprocess

        command = command[:-1]
        ended[name] = subprocess.run(
            command, env=stage.variables, cwd=stage.project, capture_output=True, text=True, check=False, timeout=60
        )

    threads = [threading.Thread(target=go, args=(name,)) for name in tools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.returncode for one in ended.values()] == [0, 0, 0], [one.stderr for one in ended.values()]
    assert sorted(stage.installed) == ["one", "three", "two"]


@BOTH
def test_a_run_that_is_killed_and_the_next_one(stage, tool):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    stage.index.lies.at_request = lambda _n, path: time.sleep(1.5) if path.startswith("/files/") else None
    with stage.running(*tool, "good") as process:
        deadline = time.monotonic() + 20
        while not stage.index.asked("/files/good-1.0-py3-none-any.whl") and time.monotonic() < deadline:
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while any(_alive(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(_alive(child) for child in children)
    assert stage.installed == {}
    stage.index.lies.at_request = lambda _n, _path: None
    ended = stage.run(*tool, "good")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert stage.run(*tool, again(tool), "good").ours == []


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
