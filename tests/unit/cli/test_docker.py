import hashlib
import zipfile

import pytest

from openvet_install import __version__
from openvet_install.archive import open_archive
from openvet_install.cli import docker, manage
from openvet_install.errors import UsageError
from openvet_install.installers import closed, pip_config, uv_config


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


@pytest.mark.parametrize("python", ["3", "3.x", "3.12.1", ""])
def test_a_python_that_is_no_version(tmp_path, python):
    with pytest.raises(UsageError, match="a version such as"):
        manage.run(["docker", str(tmp_path / "new"), f"--python={python}"])


def test_needed_follows_the_markers_of_the_images_python():
    newer = docker._needed(docker._environment("3.14"))
    older = docker._needed(docker._environment("3.10"))
    assert not [one for one in newer if one.startswith(("backports", "tomli>", "tomli="))]
    assert [one for one in older if one.startswith("backports-zstd")]
    assert [one for one in older if one.startswith(("tomli>", "tomli="))]


def test_what_closes_the_plain_tools_is_looked_through_by_its_exact_bytes(tmp_path, monkeypatch):
    machine = tmp_path / "etc"
    (machine / "uv").mkdir(parents=True)
    for module in (pip_config, uv_config):
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
