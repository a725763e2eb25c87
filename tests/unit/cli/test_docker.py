import errno
import hashlib
import zipfile
from unittest.mock import Mock

import pytest

from openvet_install import __version__
from openvet_install.archive import open_archive
from openvet_install.cli import docker, manage
from openvet_install.errors import ConfigError, UndecidedError, UsageError
from openvet_install.installers import closed, pip_config, uv_config, uv_places


def test_our_own_wheel_is_whole_unambiguous_and_the_same_each_time(tmp_path):
    (tmp_path / "again").mkdir()
    first, second = docker.own_wheel(tmp_path), docker.own_wheel(tmp_path / "again")
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
    contents = open_archive(first, first.name)
    assert (contents.name, contents.version) == ("openvet-install", __version__)
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
    assert "openvet_install/report/report.schema.json" in names
    assert "openvet_install/cli/image/setup.py" in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not of this command's making"):
        manage.run(["docker", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not of this command's making"):
        manage.run(["docker", str(tmp_path / "file")])


def test_what_could_not_be_fetched_leaves_nothing_in_the_way_of_the_next_try(tmp_path):
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        with pytest.raises(UndecidedError, match="could not be had"):
            manage.run(["docker", str(tmp_path / "new"), f"--wheels={tmp_path / 'empty'}"])
    assert not (tmp_path / "new").exists()


def test_what_could_not_be_fetched_leaves_the_folder_of_before(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "made" / "wheels").mkdir(parents=True)
    (tmp_path / "made" / "wheels.txt").touch()
    (tmp_path / "made" / "wheels" / "one.whl").touch()
    with pytest.raises(UndecidedError, match="could not be had"):
        manage.run(["docker", str(tmp_path / "made"), f"--wheels={tmp_path / 'empty'}"])
    assert (tmp_path / "made" / "wheels" / "one.whl").exists()


def test_a_folder_that_cannot_be_written_is_named_and_can_be_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(docker, "_fetch", lambda *_: None)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written: Not a directory") as caught:
        manage.run(["docker", str(tmp_path / "file" / "new")])
    assert caught.value.where == str(tmp_path / "file" / "new")
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patched:
        patched.setattr(docker.shutil, "copytree", Mock(side_effect=full))
        with pytest.raises(ConfigError, match="No space left"):
            manage.run(["docker", str(tmp_path / "new")])
    assert manage.run(["docker", str(tmp_path / "new")]) == 0


@pytest.mark.parametrize("python", ["3", "3.x", "3.12.1", ""])
def test_a_python_that_is_no_version(tmp_path, python):
    with pytest.raises(UsageError, match="a version such as"):
        manage.run(["docker", str(tmp_path / "new"), f"--python={python}"])


def test_needed_follows_the_markers_of_the_images_python():
    newer = docker._needed(docker._environment("3.14"))
    older = docker._needed(docker._environment("3.10"))
    assert not [one for one in newer if one.startswith("backports")]
    assert [one for one in older if one.startswith("backports-zstd")]


def test_what_closes_the_plain_tools_is_looked_through_by_its_exact_bytes(tmp_path, monkeypatch):
    machine = tmp_path / "etc"
    (machine / "uv").mkdir(parents=True)
    for module in (pip_config, uv_places):
        monkeypatch.setattr(module, "MACHINE_FOLDER", str(machine))
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    (machine / "pip.conf").write_bytes(closed.PIP)
    (machine / "uv" / "uv.toml").write_bytes(closed.UV)
    assert pip_config.read(environ, str(tmp_path)).variables == {}
    assert not uv_config.read(str(tmp_path), environ).no_index
    assert closed.is_closed(str(machine / "uv" / "uv.toml"))
    (machine / "pip.conf").write_bytes(closed.PIP.partition(b"find-links")[0])
    (machine / "uv" / "uv.toml").write_bytes(closed.UV.partition(b"offline")[0])
    assert pip_config.read(environ, str(tmp_path)).variables == {"PIP_NO_INDEX": "true"}
    assert uv_config.read(str(tmp_path), environ).no_index
    assert not closed.is_closed(str(machine / "uv" / "uv.toml"))
