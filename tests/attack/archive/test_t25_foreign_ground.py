"""T25: no wheel writes to places of the interpreter, of installers or of their configuration."""

from __future__ import annotations

import pytest

from tests.support.opening import WHEEL, opened, refused
from tests.support.wheels import core_metadata, make_wheel, make_zip, record_of, wheel_name, wheel_text, zip_info

DATA = "x-1.0.data"
MODULE = {"x/__init__.py": ""}


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("pip/_internal/x.py", "belongs to the project `pip`"),
        ("PIP/x.py", "belongs to the project `pip`"),
        ("pip.py", "belongs to the project `pip`"),
        ("uv/__init__.py", "belongs to the project `uv`"),
        ("openvet_install/gate.py", "belongs to the project `openvet-install`"),
        (f"{DATA}/purelib/pip/x.py", "belongs to the project `pip`"),
        (f"{DATA}/platlib/uv.abi3.so", "belongs to the project `uv`"),
        ("sitecustomize.py", "every start"),
        ("usercustomize/__init__.py", "every start"),
        ("sitecustomize.cpython-311-x86_64-linux-gnu.so", "every start"),
        (f"{DATA}/purelib/sitecustomize.py", "every start"),
        ("pyvenv.cfg", "configuration"),
        (f"{DATA}/data/pyvenv.cfg", "configuration"),
        (f"{DATA}/data/pip.conf", "configuration"),
        (f"{DATA}/data/etc/pip.conf", "configuration"),
        (f"{DATA}/data/uv.toml", "configuration"),
        (f"{DATA}/data/sitecustomize.py", "every start"),
        (f"{DATA}/data/pip/__init__.py", "belongs to the project `pip`"),
        (f"{DATA}/data/lib/python3.11/site-packages/x.pth", "Python's own folders"),
        (f"{DATA}/data/lib/python3.11/os.py", "Python's own folders"),
        (f"{DATA}/data/lib64/python3.13t/os.py", "Python's own folders"),
        (f"{DATA}/data/lib/python311.zip", "Python's own folders"),
        (f"{DATA}/data/lib/libpython3.11.so.1.0", "Python's own folders"),
        (f"{DATA}/data/state/openvet-install/x", "belongs to the project `openvet-install`"),
        (f"{DATA}/data/bin/python", "interpreter or installer"),
        (f"{DATA}/data/bin/uv", "interpreter or installer"),
        (f"{DATA}/scripts/python", "interpreter or installer"),
        (f"{DATA}/scripts/python3.11", "interpreter or installer"),
        (f"{DATA}/scripts/Python.EXE", "interpreter or installer"),
        (f"{DATA}/scripts/pip3", "interpreter or installer"),
        (f"{DATA}/scripts/uvx", "interpreter or installer"),
        (f"{DATA}/scripts/activate", "interpreter or installer"),
        (f"{DATA}/scripts/openvet-pip", "interpreter or installer"),
        (f"{DATA}/stdlib/os.py", "no known folder"),
        (f"{DATA}/x.py", "no known folder"),
        ("other-1.0.data/scripts/x", "not called `x-1.0.data`"),
        ("X-1.0.DATA/scripts/x", "not called `x-1.0.data`"),
        (f"{DATA}/purelib/evil-1.0.dist-info/METADATA", "another project's metadata"),
        ("evil.egg-info/PKG-INFO", "another project's metadata"),
        (f"{DATA}/data/evil-1.0.egg-info/PKG-INFO", "another project's metadata"),
        (f"{DATA}/data/x-1.0.dist-info/direct_url.json", "another project's metadata"),
        ("evil-1.0.egg-info", "another project's metadata"),
        ("evil.egg-link", "another project's metadata"),
        ("x-1.0.dist-info/direct_url.json", "for installers to write"),
        ("x-1.0.dist-info/INSTALLER", "for installers to write"),
        ("x-1.0.dist-info/REQUESTED", "for installers to write"),
        (f"{DATA}/purelib/x/__init__.py", "installed in one place"),
        (f"{DATA}/platlib/X/__init__.py", "installed in one place"),
    ],
)
def test_a_member_on_foreign_ground(tmp_path, member, words):
    refused(tmp_path, make_wheel("x", "1.0", files={**MODULE, member: "1"}), WHEEL, words)


@pytest.mark.parametrize(
    "folder", ["other-1.0.egg-info", "Other-1.0.EGG-INFO", "other.egg", f"{DATA}/purelib/other-1.0.egg-info", "o.egg/x"]
)
def test_an_empty_folder_that_says_what_is_installed(tmp_path, folder):
    """uv makes it, and from then on takes `other` for installed: the real one would never come."""
    refused(tmp_path, with_folders(folder), WHEEL, "another project's metadata")
    assert opened(tmp_path, with_folders("x/tests/other.egg-info", "x"), WHEEL).empty_folders == {
        "x/tests/other.egg-info"
    }


def with_folders(*folders):
    members = {**MODULE, "x-1.0.dist-info/METADATA": core_metadata("x", "1.0"), "x-1.0.dist-info/WHEEL": wheel_text()}
    bodies = {path: text.encode() for path, text in members.items()}
    bodies["x-1.0.dist-info/RECORD"] = record_of(bodies, "x-1.0.dist-info")
    return make_zip([*((zip_info(f"{path}/", mode=0o40755), b"") for path in folders), *bodies.items()])


@pytest.mark.parametrize(
    ("command", "target", "words"),
    [
        ("pip", "x:main", "interpreter or installer"),
        ("python3", "x:main", "interpreter or installer"),
        ("uv", "x:main", "interpreter or installer"),
        ("UVX.exe", "x:main", "interpreter or installer"),
        ("a/b", "x:main", "not a plain one"),
        ("../python", "x:main", "not a plain one"),
        ("..", "x:main", "not a plain one"),
        ("-x", "x:main", "not a plain one"),
        (".hidden", "x:main", "not a plain one"),
        ("good", "x", "not a plain one"),
        ("good", "x:", "not a plain one"),
        ("good", "x:main; import os", "not a plain one"),
        ("good", "x:main()", "not a plain one"),
    ],
)
def test_a_command_that_is_no_plain_one(tmp_path, command, target, words):
    refused(tmp_path, make_wheel("x", "1.0", entry_points={command: target}), WHEEL, words)


def test_commands_that_cannot_be_read_without_doubt(tmp_path):
    twice = "[console_scripts]\na = x:main\na = x:other\n"
    refused(tmp_path, make_wheel("x", "1.0", entry_points=twice), WHEEL, "cannot be read without doubt")
    both = "[console_scripts]\na = x:main\n[gui_scripts]\na = x:other\n"
    refused(tmp_path, make_wheel("x", "1.0", entry_points=both), WHEEL, "two scripts are called `a`")
    refused(tmp_path, make_wheel("x", "1.0", entry_points="a = x:main\n"), WHEEL, "cannot be read without doubt")
    refused(tmp_path, make_wheel("x", "1.0", entry_points=b"\xff"), WHEEL, "cannot be read without doubt")
    beside = make_wheel("x", "1.0", files={f"{DATA}/scripts/a": "1"}, entry_points={"a": "x:main"})
    refused(tmp_path, beside, WHEEL, "two scripts are called `a`")


@pytest.mark.parametrize(
    ("name", "files", "commands"),
    [
        ("pip", {"pip/__init__.py": ""}, {"pip": "pip:main", "pip3": "pip:main"}),
        ("uv", {"uv/__init__.py": "", "uv-1.0.data/scripts/uv": "1", "uv-1.0.data/scripts/uvx": "1"}, {}),
        ("pip-tools", {"piptools/__init__.py": ""}, {"pip-compile": "piptools:main", "pipx": "piptools:x"}),
        ("pytest", {"py.py": ""}, {"py.test": "pytest:console_main", "pytest": "pytest:console_main [x]"}),
        ("ddtrace", {"ddtrace/bootstrap/sitecustomize.py": "", "ddtrace/pip/x.py": ""}, {}),
        ("jupyter", {"jupyter-1.0.data/data/etc/jupyter/x.json": "", "jupyter-1.0.data/data/bin/x": ""}, {}),
        ("greenlet", {"greenlet-1.0.data/headers/greenlet.h": ""}, {}),
    ],
)
def test_what_real_projects_do_is_taken(tmp_path, name, files, commands):
    content = make_wheel(name, "1.0", files=files, entry_points=commands)
    assert opened(tmp_path, content, wheel_name(name, "1.0")).scripts.keys() == commands.keys()


def test_pth_files_are_listed(tmp_path):
    files = {"x.pth": "import x", f"{DATA}/purelib/y.pth": "", "x/z.pth": "", f"{DATA}/data/share/q.pth": ""}
    contents = opened(tmp_path, make_wheel("x", "1.0", files=files), WHEEL)
    assert contents.pth == (f"{DATA}/purelib/y.pth", "x.pth")
