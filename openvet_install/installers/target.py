"""The Python environment that is installed into: asked once, by one process, before anything else."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.errors import ConfigError, InstallError
from openvet_install.installers import uv_flags
from openvet_install.installers.choice import own_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INSPECT_SECONDS = 60.0
PROBE_SECONDS = 60.0
_ASIDE = ("--offline", "--no-cache", "--no-python-downloads", "--color=never")
_OF_SIGNALS = 128  # as shells say it
_MIN_PYTHON = (3, 10)  # of `packaging`

# Runs inside the target. Only the `packaging` folder is opened to it, nothing else of ours can be imported.
# The variables of markers (PEP 508) are asked for here: importing `packaging.markers` takes as long as all the rest.
_SCRIPT = """
import site, sys
sys.dont_write_bytecode = True
def add(folder, *known, **more):
    if folder not in sys.path:
        sys.path.append(folder)
    return known[0] if known else None
own = site.addsitedir
site.addsitedir = add
site.addsitepackages(site.venv(site.removeduppaths()))
site.addsitedir = own
import importlib.util, json, os, platform, sysconfig
spec = importlib.util.spec_from_file_location("packaging", os.path.join(sys.argv[1], "__init__.py"),
                                              submodule_search_locations=[sys.argv[1]])
module = importlib.util.module_from_spec(spec)
sys.modules["packaging"] = module
spec.loader.exec_module(module)
from packaging.tags import sys_tags
own = sys.implementation.version
environment = {
    "implementation_name": sys.implementation.name,
    "implementation_version": ".".join(map(str, own[:3])) + ("" if own[3] == "final" else own[3][0] + str(own[4])),
    "os_name": os.name, "platform_machine": platform.machine(), "platform_release": platform.release(),
    "platform_system": platform.system(), "platform_version": platform.version(),
    "python_full_version": platform.python_version(),
    "platform_python_implementation": platform.python_implementation(),
    "python_version": ".".join(platform.python_version_tuple()[:2]), "sys_platform": sys.platform,
}
paths = sysconfig.get_paths()
def sites():
    found = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    if sys.prefix == sys.base_prefix or any(not path.startswith(sys.prefix) for path in found):
        found.append(site.getusersitepackages())
    return [path for path in found if os.path.isdir(path)]
json.dump({
    "python": sys.executable, "prefix": sys.prefix, "base_prefix": sys.base_prefix,
    "purelib": paths["purelib"], "platlib": paths["platlib"], "scripts": paths["scripts"], "data": paths["data"],
    "version": list(sys.version_info[:3]), "implementation": sys.implementation.name,
    "tags": [str(tag) for tag in sys_tags()], "environment": environment,
    "sites": sites(),
}, sys.stdout)
print(flush=True)
site.main()
json.dump(sites(), sys.stdout)
"""
"""What lies in an environment may run in its Python, so that is started (`-S`) only after the answer is out; what it
adds to the path is said in a second line, in which it can say anything.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One Python environment, as its own interpreter describes it.

    `tags` from the most to the least specific, each `py-abi-platform`; `environment` are the variables of markers;
    paths are absolute. `version` has three numbers. `beside`: see `disk.Places`. `sites`: folders of packages that this
    Python looks in, its own and those of others.
    """

    python: Path
    prefix: Path
    purelib: Path
    platlib: Path
    scripts: Path
    data: Path
    version: tuple[int, int, int]
    implementation: str
    tags: tuple[str, ...] = field(repr=False)
    environment: Mapping[str, str]
    virtual: bool
    beside: Path | None = None
    sites: tuple[str, ...] = ()


class ToolStops(InstallError):  # noqa: N818 - not a fault, an answer
    """The tool itself refused before the gate was needed: its words (`output`) and its exit code are the answer."""

    def __init__(self, output: str, exit_code: int) -> None:
        """Keep what the tool wrote to stderr; `exit_code` is negative where a signal ended it."""
        if exit_code < 0:
            output += f"error: ended by a signal before anything was done: {signal.strsignal(-exit_code)}\n"
        first = next((line for line in output.splitlines() if line.startswith("error: ")), "")
        super().__init__(first.removeprefix("error: ") or "the tool stopped before it did anything")
        self.output = output
        self.exit_code = exit_code if exit_code >= 0 else _OF_SIGNALS - exit_code  # type: ignore[misc]


def inspect(python: str, environ: Mapping[str, str]) -> Target:
    """Ask an interpreter what it is. `environ` is the child's, so nothing of the user's can steer it.

    Raises `ConfigError` when it does not answer or is older than 3.9, `UsageError` when it is our own environment.
    """
    import packaging  # noqa: PLC0415 - its folder is all that is needed

    command = [python, "-I", "-S", "-c", _SCRIPT, str(Path(packaging.__file__ or "").parent)]
    try:
        ended = subprocess.run(  # noqa: S603 - the interpreter that the user chose
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INSPECT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"`{python}` does not start: {_why(error)}") from error
    try:
        said, _, told = ended.stdout.partition(b"\n")
        target = _read(json.loads(said), told)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ConfigError(f"`{python}` is no Python that can be used (3.10 or later): {last or 'no answer'}") from error
    if os.path.realpath(target.prefix) == os.path.realpath(_own_prefix()):
        raise own_environment(python)
    return target


def guess(prefix: str, environ: Mapping[str, str]) -> Target | None:
    """Inspect the environment that uv will probably name; None when there is none, or it is none to be used."""
    python = os.path.join(prefix, "bin", "python")  # noqa: PTH118 - as uv would write it
    try:
        return inspect(python, environ) if Path(python).exists() else None
    except InstallError:
        return None


def still_missing(base: Target, prefix: Path) -> Target:
    """Return the environment that uv would make of an interpreter at `prefix`, where there is none yet."""
    site = prefix / "lib" / "python{}.{}".format(*base.version) / "site-packages"
    return replace(
        base,
        python=prefix / "bin" / "python",
        prefix=prefix,
        purelib=site,
        platlib=site,
        scripts=prefix / "bin",
        data=prefix,
        virtual=True,
    )


def new_environment(
    uv: str, base: str, prefix: Path, environ: Mapping[str, str], cwd: str, *, prompt: str | None = None
) -> Target:
    """Let uv make an empty environment of the interpreter `base`, without network; one that is there goes.

    Raises `ConfigError`, also for a folder that is no environment; what was not there before is not there then.
    """
    new = not os.path.lexists(prefix)
    command = [uv, "venv", "--quiet", "--offline", "--no-project", "--no-config", f"--python={base}"]
    command += [f"--prompt={prompt}"] if prompt is not None else []
    command += ["--clear"] if (prefix / "pyvenv.cfg").exists() else []
    environ = {**environ, "UV_PYTHON_DOWNLOADS": "never"}
    for cache in ((), ("--no-cache",)):  # one of the user's that cannot be written to is no reason
        ended = ask([*command, *cache, "--", str(prefix)], environ, cwd)
        if ended.returncode == 0:
            return inspect(str(prefix / "bin" / "python"), environ)
        if new:
            shutil.rmtree(prefix, ignore_errors=True)
    said = ended.stderr.decode(errors="replace").strip()
    raise ConfigError(f"`uv venv` cannot make `{prefix}`: {said}")


def made_of(target: Target) -> tuple[int, int] | None:
    """Return the version of Python that a virtual environment was made of; None where it says none."""
    try:
        text = (target.prefix / "pyvenv.cfg").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    said = _MADE_OF.search(text)
    return (int(said[1]), int(said[2])) if said is not None else None


def find_python(uv: str, flags: Sequence[str], environ: Mapping[str, str], cwd: str) -> str:
    """Ask uv which interpreter it would take; `flags` of `uv python find`. Raises `ToolStops` with uv's words."""
    return _answered([uv, "python", "find", *_ASIDE, *flags], environ, cwd)


def project_python(uv: str, flags: Sequence[str], environ: Mapping[str, str], cwd: str) -> str:
    """Let uv take the environment of the project, or make it where it has to, and say its interpreter.

    Nothing is installed into it, and nothing of it is run. `flags` of `uv run`. Raises `ToolStops` with uv's words.
    """
    said = ["python", "-I", "-S", "-c", "import sys; print(sys.executable)"]
    return _answered([uv, "run", "--no-sync", "--no-env-file", *_ASIDE, *flags, *said], environ, cwd)


def _answered(command: Sequence[str], environ: Mapping[str, str], cwd: str) -> str:
    ended = ask(command, environ, cwd)
    found = ended.stdout.decode("utf-8", "surrogateescape").strip()
    if ended.returncode != 0 or not found:
        raise ToolStops(ended.stderr.decode(errors="replace"), ended.returncode or 2)
    return str(Path(cwd, found))


def _own_prefix() -> str:
    import sys  # noqa: PLC0415 - replaced in tests

    return sys.prefix


def _read(said: Mapping[str, Any], told: bytes) -> Target:
    """Read what a Python says of itself, and what it told of its path once its packages had a say."""
    sites = said["sites"]
    with suppress(ValueError, TypeError, RecursionError):
        sites = [*sites, *map(str, json.loads(told))]
    major, minor, micro = (int(part) for part in said["version"])
    if (major, minor) < _MIN_PYTHON:
        raise ValueError(said["version"])
    return Target(
        python=Path(said["python"]),
        prefix=Path(said["prefix"]),
        purelib=Path(said["purelib"]),
        platlib=Path(said["platlib"]),
        scripts=Path(said["scripts"]),
        data=Path(said["data"]),
        version=(major, minor, micro),
        implementation=str(said["implementation"]),
        tags=tuple(str(tag) for tag in said["tags"]),
        environment={str(key): str(value) for key, value in said["environment"].items()},
        virtual=said["prefix"] != said["base_prefix"],
        sites=tuple(dict.fromkeys(map(str, sites))),
    )


class Probe(NamedTuple):
    """What uv itself says: its version and the interpreter that `uv pip install` would work for."""

    version: str
    python: str


_MADE_OF = re.compile(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", re.MULTILINE)
_VERSION = re.compile(r"^(?:DEBUG )?uv (\d+\.\d+\.\d+)(?=[ \n+])", re.MULTILINE)
_USING = re.compile(r"^(?:DEBUG )?Using Python (\d+\.\d+)\S* environment at: (.+)$", re.MULTILINE)
_BUILDS_WITH = re.compile(r"^DEBUG Using Python \S+ interpreter at `?(.+?)`? for builds$", re.MULTILINE)
_INTERPRETER = re.compile(r"^Using \S+ \S+ interpreter at: (.+)$", re.MULTILINE)


def probe_uv(uv: str, flags: Sequence[str], environ: Mapping[str, str], cwd: str, empty: Path) -> Probe:
    """Let uv look for its target with the flags that steer this, an empty requirements file, and no network.

    `flags`: `--python=X`, `--system` and their like, `--config-file`, `--project`. `environ` the child's. Raises
    `ToolStops` when uv finds none, `ConfigError` when this uv is outside the versions of our table.
    """
    command = [uv, "pip", "install", "--dry-run", "-v", "--color=never", "--offline", "--no-index"]
    command += [*flags, f"--requirements={empty}"]
    ended = ask(command, environ, cwd)
    if ended.returncode != 0:
        # the user's cache only spares a second look at interpreters; one that cannot be written to is no answer
        ended = ask([*command, "--no-cache"], environ, cwd)
    said = ended.stderr.decode(errors="replace")
    version = _VERSION.search(said) or _VERSION.search(ask([uv, "--version"], environ, cwd).stdout.decode() + "\n")
    check_version(uv, version[1] if version else "")
    found, other = _USING.search(said), _INTERPRETER.search(said)
    if ended.returncode == 0 and version is not None and found is None and other is not None:
        return Probe(version[1], str(Path(cwd, other[1].strip())))
    if ended.returncode != 0 or found is None or version is None:
        raise ToolStops(_plain(said), ended.returncode or 2)
    return Probe(version[1], _interpreter(Path(cwd, found[2].strip()), found[1]))


def uv_version(uv: str, environ: Mapping[str, str], cwd: str) -> str:
    """Ask a uv for its version. Raises `ConfigError` if it does not start or is outside the versions of our table."""
    said = _VERSION.search(ask([uv, "--version"], environ, cwd).stdout.decode(errors="replace") + "\n")
    version = said[1] if said else ""
    check_version(uv, version)
    return version


def builds_with(uv: str, flags: Sequence[str], environ: Mapping[str, str], cwd: str, empty: Path) -> tuple[str, str]:
    """Let uv look for the Python of `uv pip compile`, as `probe_uv` does; return uv's version and the Python's path."""
    command = [
        uv,
        "pip",
        "compile",
        "-v",
        "--color=never",
        "--offline",
        "--no-index",
        "--no-header",
        *flags,
        str(empty),
    ]
    said = ask(command, environ, cwd).stderr.decode(errors="replace")
    if _BUILDS_WITH.search(said) is None:
        said = ask([*command, "--no-cache"], environ, cwd).stderr.decode(errors="replace")
    version = _VERSION.search(said) or _VERSION.search(ask([uv, "--version"], environ, cwd).stdout.decode() + "\n")
    check_version(uv, version[1] if version else "")
    found = _BUILDS_WITH.search(said)  # said before anything is resolved
    if found is None or version is None:
        raise ToolStops(_plain(said), 2)
    return version[1], str(Path(cwd, found[1]))


def check_version(uv: str, version: str) -> None:
    """Raise `ConfigError` unless our table describes this uv."""
    try:
        parts = tuple(int(part) for part in version.split("."))
    except ValueError:
        parts = ()
    if not uv_flags.OLDEST <= parts < uv_flags.BELOW:
        oldest, below = (".".join(map(str, bound)) for bound in (uv_flags.OLDEST, uv_flags.BELOW))
        said = version or "of an unknown version"
        raise ConfigError(
            f"`{uv}` is uv {said}; openvet-uv knows {oldest} up to, not including, {below}",
            hint="uv self update    or take it off PATH: openvet-install brings its own uv",
        )


def ask(command: Sequence[str], environ: Mapping[str, str], cwd: str) -> subprocess.CompletedProcess[bytes]:
    """Run uv and keep what it says. Raises `ConfigError` when it does not start or end."""
    try:
        return subprocess.run(  # noqa: S603 - the uv that was chosen
            list(command),
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"`{command[0]}` does not start: {_why(error)}") from error


def _why(error: OSError | subprocess.TimeoutExpired) -> str:
    """Say what went wrong without the whole command."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"no answer within {error.timeout:.0f} seconds"


def _plain(said: str) -> str:
    """Drop what only `-v` and the empty file brought in."""
    ours = ("DEBUG ", "TRACE ", "warning: Requirements file")
    kept = [line for line in said.splitlines() if not line.startswith(ours)]
    return "".join(f"{line}\n" for line in kept)


def _interpreter(prefix: Path, version: str) -> str:
    for name in (f"bin/python{version}", "bin/python3", "bin/python"):
        if (prefix / name).exists():
            return str((prefix / name).absolute())
    raise ConfigError(f"no interpreter in `{prefix}`, where uv would install")
