from datetime import date
from pathlib import Path

import pytest

from openvet_install.config import discover, policies
from openvet_install.errors import ConfigError

TODAY = date(2026, 11, 23)
POLICY = '[requirement]\nbenign = "is-benign"\n'


def test_a_policy_is_found_upwards_to_the_repository_root(tmp_path):
    repository = tmp_path / "repository"
    inner = repository / "a" / "b"
    inner.mkdir(parents=True)
    (repository / ".git").mkdir()
    (tmp_path / "openvet.toml").write_text(POLICY)
    assert discover(inner, None) is None
    (repository / "openvet.toml").write_text(POLICY)
    assert discover(inner, None) == repository / "openvet.toml"


def test_the_home_folder_ends_the_search(tmp_path):
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    (tmp_path / "openvet.toml").write_text(POLICY)
    assert discover(home / "work", home) is None
    assert discover(home / "work", None) == tmp_path / "openvet.toml"


def found(tmp_path, **more):
    machine, config, project = (tmp_path / name for name in ("machine", "config", "project"))
    for folder in (machine, config / "openvet", project):
        folder.mkdir(parents=True, exist_ok=True)
    environ = {"XDG_CONFIG_HOME": str(config), "HOME": str(tmp_path)}
    return policies(project, environ, TODAY, machine=machine, **more)


def test_machine_user_and_project_are_read_whole_and_in_this_order(tmp_path):
    assert found(tmp_path) == ()
    (tmp_path / "machine" / "openvet.toml").write_text(POLICY)
    (tmp_path / "config" / "openvet" / "openvet-install.toml").write_text(POLICY)
    (tmp_path / "project" / "openvet.toml").write_text(POLICY)
    assert [one.scope for one in found(tmp_path)] == ["machine", "user", "project"]


def test_a_named_project_without_a_policy_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"no openvet\.toml"):
        found(tmp_path, project=Path(tmp_path / "project"))


def test_a_machine_policy_that_everybody_can_write_is_refused(tmp_path):
    found(tmp_path)
    path = tmp_path / "machine" / "openvet.toml"
    path.write_text(POLICY)
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="everybody can write"):
        found(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["openvet-install.toml", "openvet.lock", "openvet-install.lock", "openvet.baseline.toml", "openvet.bundle"],
)
def test_what_lies_beside_a_machine_policy_is_refused_too(tmp_path, name):
    found(tmp_path)
    (tmp_path / "machine" / "openvet.toml").write_text(POLICY)
    path = tmp_path / "machine" / name
    path.write_text("")
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="everybody can write") as caught:
        found(tmp_path)
    assert caught.value.where == str(path)


def test_a_folder_that_nobody_may_look_into_is_no_absence(tmp_path):
    """As `sudo -u` without `-H` leaves it: the user's policy may be there, and nobody knows."""
    environ = {"XDG_CONFIG_HOME": f"/{'x' * 300}", "HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match="cannot be looked for: File name too long") as caught:
        policies(tmp_path, environ, TODAY, machine=tmp_path / "machine")
    assert "XDG_CONFIG_HOME" in caught.value.hint


@pytest.mark.parametrize("scope", ["machine", "config/openvet", "project"])
def test_a_link_that_leads_nowhere_is_no_absence(tmp_path, scope):
    """A policy that is not mounted, or was moved away: without it the others would decide alone."""
    found(tmp_path)
    folder, name = tmp_path / scope, "openvet-install.toml"
    (folder / name).symlink_to(tmp_path / "away")
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        found(tmp_path)
    if scope != "project":
        (folder / name).unlink()
        folder.rmdir()
        folder.symlink_to(tmp_path / "away", target_is_directory=True)
        environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
        with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
            policies(tmp_path / "project", environ, TODAY, machine=tmp_path / "machine")
