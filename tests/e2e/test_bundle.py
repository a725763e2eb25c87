"""`bundle`, and whole runs by it: nobody is asked, and the answers are those of the logs."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.logsim import write_project
from tests.support.stage import BENIGN, NO, YES, make_environment


@pytest.fixture
def away(stage):
    """A project with a bundle, on a machine that has never seen the log, which is out of reach."""
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.wheel("silent", "1.0")
    stage.wheel("rich", "1.0", YES)
    write_lock(stage, "goodlib", "bad", "silent")
    stage.policy()
    ended = stage.run("openvet-install", "bundle")
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"wrote openvet.bundle: alice {stage.log.head[:12]}; 3 packages; ")
    forget(stage)
    stage.logs.stop()
    return stage


def forget(stage):
    for name in ("cache", "state"):
        shutil.rmtree(stage.folder / name, ignore_errors=True)


def test_pip_and_uv_install_by_it(away):
    asked = len(away.logs.requests)
    for command in (("openvet-pip", "install"), ("openvet-uv", "pip", "install")):
        for name, code, outcome in (("goodlib", 0, "allowed"), ("bad", 77, "blocked"), ("silent", 77, "blocked")):
            forget(away)
            ended = away.run(*command, name, "--openvet-offline")
            assert ended.code == code, ended.err
            assert ended.report["outcome"] == outcome
        assert [one["name"] for one in ended.report["logs"]] == ["alice"]
        assert ended.report["logs"][0]["checked"] is not None
    assert away.installed["goodlib"] == "1.0"
    assert len(away.logs.requests) == asked
    assert away.leftovers == []


def test_check_and_explain_judge_by_it(away):
    ended = away.run("openvet-install", "check", "--offline")
    assert ended.code == 77
    assert "Summary: 1 passed, 1 failed, 1 unaudited, 1 skipped" in ended.err
    assert "✓ pypi:goodlib@1.0" in away.run("openvet-install", "explain", "goodlib", "--offline").out
    assert away.run("openvet-install", "check", env={"OPENVET_INSTALL_OFFLINE": "1"}).code == 77


@pytest.mark.parametrize("command", [("openvet-pip", "install", "rich"), ("openvet-uv", "pip", "install", "rich")])
def test_a_name_that_it_lacks_is_undecided(away, command):
    ended = away.run(*command, "--openvet-offline")
    assert ended.code == 69, ended.err
    assert ended.ours == [
        "openvet: undecided, nothing installed",
        "✘ rich    log-unreachable    openvet.bundle holds nothing about this name, for or against",
    ]
    assert ended.report["outcome"] == "undecided"
    (trouble,) = ended.report["troubles"]
    assert trouble["reason"] == "log-unreachable"


def test_a_lock_with_a_name_that_it_lacks_is_undecided(away):
    (away.project / "uv.lock").unlink()
    write_lock(away, "goodlib", "rich")
    for command in (("openvet-install", "check", "--offline"), ("openvet-uv", "sync", "--locked", "--openvet-offline")):
        ended = away.run(*command)
        assert ended.code == 69, ended.err
        assert "openvet.bundle holds nothing about this name, for or against" in ended.err
        assert "rich" in ended.err


def test_one_that_is_named_is_used_and_nobody_is_asked(away):
    elsewhere = away.folder / "carried.bundle"
    (away.project / "openvet.bundle").rename(elsewhere)
    assert away.run("openvet-pip", "install", "goodlib", "--openvet-offline").code == 69
    away.logs.start()
    asked = len(away.logs.requests)
    assert away.run("openvet-pip", "install", "goodlib", f"--openvet-bundle={elsewhere}").code == 0
    assert away.run("openvet-install", "check", "--bundle", str(elsewhere)).code == 77
    assert away.run("openvet-install", "check", env={"OPENVET_INSTALL_BUNDLE": str(elsewhere)}).code == 77
    assert len(away.logs.requests) == asked
    ended = away.run("openvet-pip", "install", "goodlib", "--openvet-bundle=nothing")
    assert ended.code == 64
    assert "no bundle `nothing`" in ended.err


def test_exec_hands_it_down(away):
    elsewhere = away.folder / "carried.bundle"
    (away.project / "openvet.bundle").rename(elsewhere)
    ended = away.run("openvet-install", "exec", "--bundle", str(elsewhere), "--", "pip", "install", "goodlib")
    assert ended.code == 0, ended.err
    assert away.installed["goodlib"] == "1.0"


def test_a_wheelhouse_beside_it_is_judged_like_an_index(away):
    house = away.project / "wheels"
    house.mkdir()
    for name in ("goodlib", "bad", "silent"):
        filename = f"{name}-1.0-py3-none-any.whl"
        (house / filename).write_bytes(away.index.entries[filename].body)
    away.index.requests.clear()
    for command in (("openvet-pip", "install"), ("openvet-uv", "pip", "install")):
        for name, code in (("bad", 77), ("silent", 77), ("goodlib", 0)):
            ended = away.run(*command, "--no-index", "--find-links", "wheels", name, "--openvet-offline")
            assert ended.code == code, ended.err
        assert away.installed == {"goodlib": "1.0"}
        shutil.rmtree(away.environment)
        make_environment(away.environment)
    assert away.index.requests == []


def test_a_damaged_one_is_invalid(away):
    path = away.project / "openvet.bundle"
    path.write_bytes(path.read_bytes()[:-40])
    ended = away.run("openvet-pip", "install", "goodlib", "--openvet-offline")
    assert ended.code == 65
    assert ended.ours == [
        "openvet: invalid, nothing installed, openvet.lock unchanged",
        "✘ openvet.bundle    log-invalid    is cut short, or no bundle",
        "hint: openvet-install bundle    where the logs are in reach",
    ]


def test_that_of_another_project_is_undecided_or_invalid(away, tmp_path):
    away.logs.start()
    other = away.logs.log("other")
    other.publish("goodlib", "1.0", claims=YES)
    write_project(away.project, [other], BENIGN)
    ended = away.run("openvet-pip", "install", "goodlib", "--openvet-offline")
    assert ended.code == 69
    assert "openvet.bundle holds nothing of log `other`" in ended.err
    assert "hint: openvet-install bundle" in ended.err


def test_the_machines_policy_is_not_made_younger_by_a_projects(away):
    """A user's policy has its own bundle beside it, or none: that of the project says nothing for it."""
    user = away.folder / "config" / "openvet"
    write_project(user, [away.log], BENIGN)
    (user / "openvet.toml").rename(user / "openvet-install.toml")
    ended = away.run("openvet-pip", "install", "goodlib", "--openvet-offline")
    assert ended.code == 69
    assert "alice was never seen from here" in ended.err
    shutil.copy(away.project / "openvet.bundle", user)
    assert away.run("openvet-pip", "install", "goodlib", "--openvet-offline").code == 0


# Writing it.


def test_what_goes_in(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    ended = stage.run("openvet-install", "bundle")
    assert ended.code == 64
    assert "no uv.lock, pylock.toml or hashed requirements" in ended.err
    (stage.project / "pyproject.toml").write_text('[build-system]\nrequires = ["hatchling"]\n')
    digest = "0" * 64
    (stage.project / "requirements.txt").write_text(f"goodlib==1.0 --hash=sha256:{digest}\n")
    ended = stage.run("openvet-install", "bundle", "Rich_Text", "-o", "else.bundle")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("wrote else.bundle: ")
    with zipfile.ZipFile(stage.project / "else.bundle") as file:
        assert json.loads(file.read("bundle.json"))["packages"] == ["goodlib", "hatchling", "rich-text"]
    assert stage.leftovers == []


def test_it_is_replaced_whole_or_not_at_all(stage):
    stage.wheel("goodlib", "1.0", YES)
    write_lock(stage, "goodlib")
    stage.policy()
    path = stage.project / "openvet.bundle"
    path.write_bytes(b"old")
    stage.log.hide("audit", next(name for kind, name in stage.log.objects if kind == "audit"))
    ended = stage.run("openvet-install", "bundle")
    assert ended.code == 69, ended.err
    assert path.read_bytes() == b"old"
    stage.log.repair()
    assert stage.run("openvet-install", "bundle").code == 0
    assert path.read_bytes()[:2] == b"PK"
    assert sorted(one.name for one in stage.project.iterdir() if "bundle" in one.name) == ["openvet.bundle"]


def test_a_policy_without_a_log_is_told(stage):
    stage.policy()
    (stage.project / "openvet.toml").write_text(BENIGN)
    for name in ("openvet.lock", "openvet-install.lock"):
        (stage.project / name).unlink()
    ended = stage.run("openvet-install", "bundle", "goodlib")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("wrote openvet.bundle: no log; 1 package; ")


@pytest.mark.parametrize(("more", "told"), [(("--offline",), "asks the logs"), (("a b",), "no name of a package")])
def test_what_it_refuses(stage, more, told):
    stage.wheel("goodlib", "1.0", YES)
    write_lock(stage, "goodlib")
    stage.policy()
    ended = stage.run("openvet-install", "bundle", *more)
    assert ended.code == 64
    assert told in ended.err
    assert not (stage.project / "openvet.bundle").exists()


def test_a_place_that_cannot_be_written_is_told(stage):
    stage.wheel("goodlib", "1.0", YES)
    write_lock(stage, "goodlib")
    stage.policy()
    ended = stage.run("openvet-install", "bundle", "-o", "nowhere/openvet.bundle")
    assert ended.code == 64
    assert "`nowhere/openvet.bundle` cannot be written: No such file or directory" in ended.err


# pip's and uv's own ways of being offline.


def test_uv_offline_asks_nobody_and_takes_from_here(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("other", "1.0", YES)
    write_lock(stage, "goodlib")
    stage.policy()
    stage.environment = stage.project / ".venv"
    assert stage.run("openvet-uv", "sync", "--locked").code == 0
    shutil.rmtree(stage.environment)
    stage.logs.requests.clear()
    stage.index.requests.clear()
    for words in (
        ("--offline", "sync", "--locked"),
        ("sync", "--locked", "--offline"),
        ("sync", "--frozen", "--offline"),
    ):
        ended = stage.run("openvet-uv", *words)
        assert ended.code == 0, ended.err
        assert stage.installed["goodlib"] == "1.0"
        shutil.rmtree(stage.environment)
    assert stage.run("openvet-uv", "run", "--offline", "python", "-c", "import goodlib").code == 0
    shutil.rmtree(stage.environment)
    make_environment(stage.environment)
    ended = stage.run("openvet-uv", "pip", "install", "other", "--offline")
    assert ended.code == 69, ended.err
    assert "is not asked: offline" in ended.err
    assert stage.logs.requests == []
    assert stage.index.requests == []
    assert stage.run("openvet-uv", "pip", "install", "other", "--offline", "--no-offline").code == 0


def test_uv_offline_judges_by_the_bundle(away):
    """A machine that never saw anything: the wheelhouse has the files, the bundle the answers."""
    house = away.project / "wheels"
    house.mkdir()
    for name in ("goodlib", "bad"):
        filename = f"{name}-1.0-py3-none-any.whl"
        (house / filename).write_bytes(away.index.entries[filename].body)
    away.index.requests.clear()
    asked = len(away.logs.requests)
    for name, code in (("bad", 77), ("goodlib", 0)):
        ended = away.run("openvet-uv", "pip", "install", "--offline", "--no-index", "-f", "wheels", name)
        assert ended.code == code, ended.err
    assert away.installed["goodlib"] == "1.0"
    assert away.index.requests == []
    assert len(away.logs.requests) == asked


def test_pip_without_an_index_uses_the_bundle_where_no_log_answers(away):
    house = away.project / "wheels"
    house.mkdir()
    filename = "goodlib-1.0-py3-none-any.whl"
    (house / filename).write_bytes(away.index.entries[filename].body)
    away.index.requests.clear()
    ended = away.run("openvet-pip", "install", "--no-index", "--find-links", "wheels", "goodlib")
    assert ended.code == 0, ended.err
    assert "openvet: warning: alice out of reach, using openvet.bundle, made less than a minute ago" in ended.err
    (away.project / "openvet.bundle").unlink()
    forget(away)
    ended = away.run("openvet-pip", "install", "--no-index", "--find-links", "wheels", "--force-reinstall", "goodlib")
    assert ended.code == 69
    assert "alice was never seen from here" in ended.err
    assert away.index.requests == []


def stocked(stage, *names):
    house = stage.project / "wheels"
    house.mkdir()
    for name in names:
        filename = f"{name}-1.0-py3-none-any.whl"
        (house / filename).write_bytes(stage.index.entries[filename].body)
    return house


def test_uv_sync_takes_the_locks_files_from_a_wheelhouse(away):
    write_lock(away, "goodlib")
    house = stocked(away, "goodlib")
    away.index.requests.clear()
    asked = len(away.logs.requests)
    away.environment = away.project / ".venv"
    ended = away.run("openvet-uv", "sync", "--locked", "--offline", "--find-links", "wheels")
    assert ended.code == 0, ended.err
    assert away.installed["goodlib"] == "1.0"
    forget(away)
    shutil.rmtree(away.environment)
    (house / "goodlib-1.0-py3-none-any.whl").write_bytes(b"other bytes")
    ended = away.run("openvet-uv", "sync", "--locked", "--offline", "-f", "wheels")
    assert ended.code == 69, ended.err
    assert "is not asked: offline" in ended.err
    (house / "goodlib-1.0-py3-none-any.whl").unlink()
    (house / "goodlib-1.0-py3-none-any.whl").symlink_to("/dev/zero")
    assert away.run("openvet-uv", "sync", "--locked", "--offline", "-f", "wheels").code == 69
    assert away.index.requests == []
    assert len(away.logs.requests) == asked


def test_a_wheelhouse_approves_nothing(away):
    write_lock(away, "goodlib", "bad", "silent")
    stocked(away, "goodlib", "bad", "silent")
    away.environment = away.project / ".venv"
    ended = away.run("openvet-uv", "sync", "--locked", "--offline", "-f", "wheels")
    assert ended.code == 77, ended.err
    assert "openvet: blocked before uv started, .venv unchanged; 2 of 3 packages in uv.lock not approved" in ended.err
    assert not away.environment.exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--offline", "-f", "nowhere"), 64, "neither a folder nor"),
        (("--offline", "-f", "wheels", "-U"), 69, "is not asked: offline"),
    ],
)
def test_what_a_wheelhouse_is_not_for(away, words, code, told):
    stocked(away, "goodlib")
    ended = away.run("openvet-uv", "sync", *words)
    assert ended.code == code, ended.err
    assert told in ended.err
