"""T05: pip and uv do not read every marker alike, and nothing that one of them would install goes unjudged."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker

from openvet_install.errors import UsageError
from openvet_install.installers.lines import by_name
from openvet_install.installers.locks import parse_lock, select_for
from openvet_install.installers.markers import may_hold
from openvet_install.installers.target import inspect
from tests.support.stage import PROGRAMS, make_environment

HERE, OTHER = f"3.{sys.version_info.minor}", f"3.{sys.version_info.minor - 1}"
FULL = "{}.{}.{}".format(*sys.version_info)
VERSIONS = ("python_version", "python_full_version", "implementation_version")
ODD = [
    *(f"{name} {how} '{text}'" for name in VERSIONS for how in ("==", "<", ">") for text in ("x", f"{HERE}.*", "3,4")),
    *(f"{name} {how} '{text}'" for name in VERSIONS for how in ("in", "not in") for text in (f"{HERE} x", f"{HERE},3")),
    *(f"{name} {how} '1!{FULL}'" for name in VERSIONS[1:] for how in ("==", ">=", "~=")),
    *(f"{name} <= '{FULL}{end}'" for name in VERSIONS[1:] for end in ("rc1", ".dev0", "+local", ".*")),
    *(f"{name} >= '{FULL}{end}'" for name in VERSIONS[1:] for end in (".post1", "+local", ".*")),
    *(f"{name} {how} {FULL!r}" for name in ("platform_release", "platform_version") for how in ("<", ">", "<=", ">=")),
    *(f"{name} {how} '!'" for name in ("platform_release", "platform_version") for how in ("<", ">", "<=", ">=")),
    *(f"'{HERE}' {how} {name}" for name in VERSIONS for how in ("in", "not in", "==", "<=", ">=", "~=")),
    *("'3.*' == python_version", "python_version == sys_platform", "'a' == 'b'", "'a' in 'b'", "sys_platform ~= 'x'"),
    *(f"(python_version == 'x' or os_name == 'nt') and python_version >= '{OTHER}'", "os_name == 'a' or 'a' == 'b'"),
]
USUAL = [
    *(
        f"{name} {how} {text!r}"
        for name in VERSIONS
        for how in ("==", "!=", "<=", ">=")
        for text in (HERE, FULL, OTHER)
    ),
    *(f"python_version {how} '{OTHER} {HERE}'" for how in ("in", "not in")),
    *(f"python_version {how} '{HERE}.*'" for how in ("==", "!=")),
    *("sys_platform == 'linux'", "sys_platform != 'linux'", "'lin' in sys_platform", "'win' in sys_platform"),
    *(
        "sys_platform in 'linux darwin'",
        "platform_machine not in 'arm64 aarch64'",
        "os_name == 'nt' or os_name == 'posix'",
    ),
    *("implementation_name == 'cpython' and (sys_platform == 'win32' or platform_system != 'Windows')", "extra == 'x'"),
]


def lock_of(markers):
    lines = ['version = 1\nrevision = 3\nrequires-python = ">=3.8"\n']
    for number in range(len(markers)):
        url, digest = f"http://127.0.0.1:1/p{number}-1-py3-none-any.whl", "0" * 64
        lines.append(f'[[package]]\nname = "p{number}"\nversion = "1"\nsource = {{ registry = "http://127.0.0.1:1" }}')
        lines.append(f'wheels = [{{ url = "{url}", hash = "sha256:{digest}" }}]\n')
    edges = [f'{{ name = "p{number}", marker = {json.dumps(one)} }},' for number, one in enumerate(markers)]
    head = '[[package]]\nname = "mine"\nversion = "1"\nsource = { virtual = "." }'
    return "\n".join([*lines, head, "dependencies = [", *edges, "]", ""])


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    folder = tmp_path_factory.mktemp("target") / "environment"
    make_environment(folder)
    return inspect(str(folder / "bin/python"), dict(os.environ))


def chosen_by_uv(text, folder, target):
    """The markers that hold for uv itself, by their places."""
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.8"\n')
    (folder / "uv.lock").write_text(text)
    command = ["sync", "--frozen", "--dry-run", "--offline", "--no-cache", "--python", str(target.python)]
    ended = subprocess.run(
        [str(PROGRAMS / "uv"), *command], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return {int(number) for number in re.findall(r"^ \+ p(\d+)==1$", ended.stderr, re.MULTILINE)}


def chosen_by_us(text, folder, target):
    lock = parse_lock(text, Path(folder, "uv.lock"), "uv", pyproject='[project]\nname = "mine"\n')
    return {int(one.file.name[1:]) for one in select_for(lock, target).files}


def test_what_uv_would_install_is_judged(tmp_path, target):
    text = lock_of(ODD)
    uv = chosen_by_uv(text, tmp_path, target)
    assert [ODD[one] for one in sorted(uv - chosen_by_us(text, tmp_path, target))] == []
    pip = {place for place, one in enumerate(ODD) if "'a'" not in one and "~=" not in one and Marker(one).evaluate()}
    assert len(uv - pip) > 10
    assert all(may_hold(Marker(ODD[one]), target.environment) for one in uv | pip)


def test_and_nothing_else_where_markers_are_as_usual(tmp_path, target):
    text = lock_of(USUAL)
    assert chosen_by_us(text, tmp_path, target) == chosen_by_uv(text, tmp_path, target)


def test_what_only_uv_takes_from_a_pylock_is_judged(target):
    file = '{ url = "https://files.example/p-1-py3-none-any.whl", hashes = { sha256 = "%s" } }' % ("0" * 64)
    text = f"""lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "p"\nversion = "1"
        marker = "python_version == 'x'"\nwheels = [{file}]\n"""
    lock = parse_lock(text, Path("/somewhere/pylock.toml"), "pylock")
    assert [one.file.name for one in select_for(lock, target).files] == ["p"]


def read_by(kind, marker):
    if kind == "requirement":
        by_name(f"p == 1 ; {marker}")
    elif kind == "uv":
        parse_lock(lock_of([marker]), Path("/somewhere/uv.lock"), "uv")
    else:
        text = f'[[packages]]\nname = "p"\nversion = "1"\nmarker = {json.dumps(marker)}\n'
        parse_lock(f'lock-version = "1.0"\ncreated-by = "x"\n{text}', Path("/somewhere/pylock.toml"), "pylock")


@pytest.mark.parametrize("kind", ["uv", "pylock", "requirement"])
def test_what_is_an_escape_to_one_of_them_is_refused(kind):
    with pytest.raises(UsageError, match="holds a backslash"):
        read_by(kind, r"os_name != '\x70osix'")
