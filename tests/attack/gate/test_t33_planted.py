"""T32, T33: what is put back after a killed run is what this machine has written down, and nothing else."""

import base64
import json
import shutil
from pathlib import Path

import pytest

from openvet_install.gate.unfinished import Before, alone, noted
from openvet_install.gate.unfinished import put_back as put_project_back
from tests.attack.gate.test_t33_killed import big, half, kill_us
from tests.attack.gate.test_t33_project_killed import killed_in_add
from tests.support.attacks import BOTH, site
from tests.support.projects import in_project
from tests.support.stage import YES

UV = "openvet-uv"
SEAL_BYTES = 32
EVIL = b'[project]\nname = "evil"\nversion = "1"\n'


def the_note(stage, folder):
    (path,) = (stage.folder / "state/openvet-install" / folder).glob("*.before")
    return path


def rewritten(path, **changes):
    """Change what a note says and keep its seal."""
    raw = path.read_bytes()
    at = SEAL_BYTES
    head, line, rest = raw[at:].partition(b"\n")
    said = json.loads(head)
    for key, change in changes.items():
        said[key] = change(said[key])
    path.chmod(0o600)
    path.write_bytes(raw[:at] + json.dumps(said).encode() + line + rest)


def test_a_planted_note_writes_no_project(stage):
    stage = in_project(stage)
    killed_in_add(stage)
    project = stage.project / "pyproject.toml"
    text = project.read_bytes()
    raw = base64.b64encode(EVIL).decode()
    rewritten(the_note(stage, "projects"), files=lambda files: [{**one, "raw": raw} for one in files])
    ended = stage.run(UV, "tree", "--frozen")
    assert "was killed" not in ended.err
    assert project.read_bytes() == text


def test_a_state_that_was_restored_writes_no_project(stage):
    stage = in_project(stage)
    killed_in_add(stage)
    project = stage.project / "pyproject.toml"
    text = project.read_bytes()
    shutil.copytree(stage.folder / "state", stage.folder / "restored")
    ended = stage.run(UV, "tree", "--frozen", env={"XDG_STATE_HOME": str(stage.folder / "restored")})
    assert "was killed" not in ended.err
    assert project.read_bytes() == text


@BOTH
@pytest.mark.parametrize("how", ["changed", "restored"])
def test_a_planted_journal_moves_and_writes_nothing(stage, tool, how):
    big(stage)
    kill_us(stage, half(stage), *tool, "big")
    steering = stage.environment / "pyvenv.cfg"
    before = steering.read_bytes()
    env = {}
    if how == "changed":
        rewritten(
            the_note(stage, "targets"),
            files=lambda files: dict.fromkeys(files, base64.b64encode(b"home = /tmp/evil\n").decode()),
        )
    else:
        shutil.copytree(stage.folder / "state", stage.folder / "restored")
        env = {"XDG_STATE_HOME": str(stage.folder / "restored")}
    ended = stage.run(*tool, "good", env=env)
    assert ended.code == 0
    assert "did not come to its end" not in ended.err
    assert "notes were not sealed here" in ended.err
    assert "openvet-install check --environment" in ended.err
    assert steering.read_bytes() == before
    assert (site(stage) / "big").exists()  # `check --environment` tells of it, as where there is no journal
    assert "not sealed" not in stage.run(*tool, "good", env=env).err


@BOTH
def test_a_planted_line_releases_nothing(stage, tool):
    """The name of a stored file beside those that were let out makes nothing of it belong there."""
    big(stage)
    digest = stage.wheel("other", "1.0", YES)
    stage.policy()
    kill_us(stage, half(stage), *tool, "big")
    (path,) = (stage.folder / "state/openvet-install/targets").glob("*.released")
    lines = path.read_text().splitlines()
    name = "other-1.0-py3-none-any.whl"
    path.chmod(0o600)
    path.write_text("".join(f"{line}\n" for line in (*lines, f"{digest} {name}", f"{digest} {name} {'0' * 64}")))
    planted = site(stage) / "other-1.0.dist-info"
    planted.mkdir()
    (planted / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert "good" in stage.installed
    assert "other" not in stage.installed


def test_where_no_key_can_be_had_nothing_is_kept(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_bytes(EVIL)
    state = tmp_path / "state"
    (state / "seal").mkdir(parents=True)  # in the key's place
    before = [Before(str(project), b"before", 0o644)]
    with alone([str(project)], state) as room, noted(room, before, state):
        assert room.lock is not None
        assert not list(Path(state).rglob("*.before"))
    assert put_project_back(tmp_path, [], state) == []
    assert project.read_bytes() == EVIL
