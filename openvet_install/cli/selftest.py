"""The self-test of `doctor`: the real pip and the real uv, and a file on loopback that nobody approved."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.cli import own
from openvet_install.decide import Reason
from openvet_install.errors import EXIT_BLOCKED

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = "openvet-self-test"
_MODULE = "openvet_self_test"
_INFO = f"{_MODULE}-1.0.dist-info"
_WHEEL = f"{_MODULE}-1.0-py3-none-any.whl"
_COMMANDS = (("openvet-pip", ("install", PROJECT)), ("openvet-uv", ("pip", "install", PROJECT)))
_POLICY = '[requirement]\naudited = "is-benign"\n'


def run() -> list[str]:
    """Let both tools try to install the file, in an environment of the test's own; return what went wrong."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="openvet-doctor-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        url = own.serve(_index(folder / "served"), stack)
        with ThreadPoolExecutor(len(_COMMANDS)) as pool:
            jobs = [pool.submit(_try, program, words, folder / program, url) for program, words in _COMMANDS]
            return [wrong for job in jobs if (wrong := job.result()) is not None]


def _try(program: str, words: tuple[str, ...], folder: Path, url: str) -> str | None:
    """Return what is wrong with how one tool was held back; None if all is as it should be."""
    project, environment, report = folder / "project", folder / "environment", folder / "report.json"
    project.mkdir(parents=True)
    (project / "openvet.toml").write_text(_POLICY, "utf-8")
    own.bare_environment(environment)
    variables = _variables(folder, environment, f"{url}/simple")
    ended = own.call(program, [*words, f"--openvet-report=json:{report}"], variables, project)
    if list(environment.glob(f"lib*/python*/site-packages/{_MODULE}*")):
        return f"{program} installed a file that nobody approved"
    told = json.loads(report.read_text("utf-8")) if report.exists() else {"withheld": []}
    if ended.returncode == EXIT_BLOCKED and [one["reason"] for one in told["withheld"]] == [Reason.UNAUDITED.code]:
        return None
    said = ended.stderr.strip().splitlines()
    return f"{program} ended with {ended.returncode} instead of {EXIT_BLOCKED}{f': {said[-1]}' if said else ''}"


def _variables(folder: Path, environment: Path, index: str) -> Mapping[str, str]:
    """Return the user's variables without what would lead to other indexes, policies or stores."""
    prefixes = ("OPENVET_INSTALL_", "PIP_", "UV_")
    proxies = ("NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if name.upper() not in proxies}
    return {
        **{name: value for name, value in kept.items() if not name.startswith(prefixes)},
        **{f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "STATE", "CONFIG")},
        "VIRTUAL_ENV": str(environment),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index,
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": index,
    }


def _index(folder: Path) -> Path:
    """Write an index with one page and one good wheel; return its folder."""
    page = folder / "simple" / PROJECT
    page.mkdir(parents=True)
    members = {
        f"{_MODULE}.py": b"",
        f"{_INFO}/METADATA": f"Metadata-Version: 2.1\nName: {PROJECT}\nVersion: 1.0\n".encode(),
        f"{_INFO}/WHEEL": own.PURE,
    }
    members[f"{_INFO}/RECORD"] = own.record_of(members, _INFO)
    with zipfile.ZipFile(page / _WHEEL, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    digest = hashlib.sha256((page / _WHEEL).read_bytes()).hexdigest()
    (page / "index.html").write_text(f'<a href="{_WHEEL}#sha256={digest}">{_WHEEL}</a>\n', "utf-8")
    return folder
