import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import packaging
import pytest
import uv

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers import choice, target
from openvet_install.installers.choice import find_uv, target_python
from openvet_install.installers.target import ToolStops, check_version, inspect
from tests.support.stage import make_environment

REAL = Path(uv.find_uv_bin())
LIBRARY = """
import json, os, sys
sys.path.append(os.path.dirname(sys.argv[1]))
from packaging.markers import default_environment
print(json.dumps(default_environment()))
"""


def test_inspect(user, target_prefix):
    found = inspect(str(target_prefix / "bin/python"), user)
    assert (found.prefix, found.virtual) == (target_prefix, True)
    assert found.purelib.is_relative_to(target_prefix)
    assert found.scripts == target_prefix / "bin"
    assert found.version >= (3, 8, 0)
    assert found.tags[-1] == "py30-none-any"
    assert found.environment["python_version"] == ".".join(map(str, found.version[:2]))


@pytest.mark.parametrize("how", ["", "json.dumps = None", "os._exit(3)"])
def test_what_lies_in_an_environment_does_not_say_where_it_is(user, tmp_path, how):
    make_environment(tmp_path / "environment")
    python = str(tmp_path / "environment/bin/python")
    before = inspect(python, user)
    elsewhere = tmp_path / "site-packages"
    elsewhere.mkdir()
    lies = "import json, os, sys, sysconfig\nsys.prefix = '/none'\nsysconfig.get_paths = lambda: {'purelib': '/none'}\n"
    (before.purelib / "evil.py").write_text(f"{lies}sys.path.append({str(elsewhere)!r})\n{how}\n")
    (before.purelib / "evil.pth").write_text("import evil\n")
    found = inspect(python, user)
    assert found == replace(before, sites=found.sites)
    assert found.sites[: len(before.sites)] == before.sites
    assert how or found.sites[-1] == str(elsewhere)


def test_the_variables_of_markers_are_those_of_the_library(user):
    base = str(Path(sys.base_prefix) / "bin" / "python3")
    ended = subprocess.run([base, "-I", "-c", LIBRARY, packaging.__path__[0]], capture_output=True, check=True)
    assert inspect(base, user).environment == json.loads(ended.stdout)


def test_a_strange_interpreter(tmp_path, user):
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho '[]'; echo broken >&2\n")
    fake.chmod(0o755)
    with pytest.raises(ConfigError, match=r"is no Python that can be used .*: broken"):
        inspect(str(fake), user)
    with pytest.raises(ConfigError, match="does not start"):
        inspect(str(tmp_path / "none"), user)


def test_where_pip_looks(user, project, target_prefix, tmp_path):
    python = str(target_prefix / "bin/python")
    assert target_python(None, user, str(project)) == python
    assert target_python(str(target_prefix), {}, str(project)) == python
    assert target_python(python, {}, str(project)) == python
    conda = {**user, "VIRTUAL_ENV": "", "CONDA_PREFIX": str(target_prefix)}
    assert target_python(None, conda, str(project)) == python
    (project / ".venv").symlink_to(target_prefix)
    assert target_python(None, {"PATH": ""}, str(project)) == str(project / ".venv/bin/python")
    with pytest.raises(UsageError, match="is no Python and no environment"):
        target_python("none", user, str(project))
    with pytest.raises(UsageError, match=r"VIRTUAL_ENV=/none is no Python"):
        target_python(None, {"VIRTUAL_ENV": "/none"}, str(tmp_path))
    with pytest.raises(UsageError, match="no Python to install into"):
        target_python(None, {"PATH": "relative:"}, str(tmp_path))


def test_the_first_python_on_path_that_is_not_ours(tmp_path, target_prefix):
    path = os.pathsep.join((str(Path(sys.prefix, "bin")), str(target_prefix / "bin")))
    assert target_python(None, {"PATH": path}, str(tmp_path)) == str(target_prefix / "bin/python3")


@pytest.mark.parametrize("version", ["0.13.0", "0.13.9", "0.13.99"])
def test_known_uv(version):
    check_version("uv", version)


@pytest.mark.parametrize("version", ["0.12.24", "0.14.0", "1.0.0", "", "x"])
def test_unknown_uv_is_refused_with_the_reason(version):
    with pytest.raises(ConfigError, match=r"openvet-uv knows 0\.13\.0 up to, not including, 0.14.0"):
        check_version("uv", version)


@pytest.fixture
def bin_dir(tmp_path):
    folder = tmp_path / "tools"
    folder.mkdir(mode=0o755)
    (folder / "uv").symlink_to(REAL)
    (folder / "uv").unlink()
    (folder / "uv").write_text("#!/bin/sh\n")
    (folder / "uv").chmod(0o755)
    return folder


def test_the_user_s_uv(bin_dir, project):
    found = find_uv({"PATH": f"relative:{bin_dir}"}, str(project))
    assert (found.path, found.ours, found.skipped) == (str(bin_dir / "uv"), False, ())


def test_ours_if_there_is_none(project):
    found = find_uv({"PATH": "/nowhere"}, str(project))
    assert (Path(found.path).resolve(), found.ours) == (REAL.resolve(), True)


def test_others_can_write():
    assert not choice.others_can_write("/")
    assert choice.others_can_write("/tmp")


def test_an_interpreter_that_does_not_answer_is_told_in_few_words(tmp_path, monkeypatch):
    monkeypatch.setattr(target, "INSPECT_SECONDS", 0.1)
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    with pytest.raises(ConfigError, match=r"`\S+/python` does not start: no answer within 0 seconds$"):
        inspect(str(slow), {})


def test_a_tool_that_a_signal_ends_stops_as_in_a_shell():
    stops = ToolStops("", -signal.SIGXFSZ)
    assert (stops.exit_code, stops.output) == (
        128 + signal.SIGXFSZ,
        "error: ended by a signal before anything was done: File size limit exceeded\n",
    )
    assert (ToolStops("error: no\n", 2).exit_code, ToolStops("error: no\n", 2).output) == (2, "error: no\n")
