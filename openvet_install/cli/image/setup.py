"""Makes the environment of openvet-install in an image, with the image's own Python: no network, no pip, no ensurepip.

    python3 /opt/openvet/setup.py            also closes the plain pip and uv, where this user may
    python3 /opt/openvet/setup.py --open     leaves them as they are

Beside this file: `wheels/`, `wheels.txt` (the sha256 of each), `pip.conf` and `uv.toml`. Nothing unlisted is taken.
"""

from __future__ import annotations

import compileall
import contextlib
import hashlib
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / "env"
SCRIPTS = {"openvet-pip": "pip", "openvet-uv": "uv", "openvet-install": "manage"}
CLOSED = {"pip.conf": Path("/etc/pip.conf"), "uv.toml": Path("/etc/uv/uv.toml")}
ON_PATH = Path("/usr/local/bin")
_SCRIPT = """\
#!{python} -I
from openvet_install.cli import entry
entry.{name}()
"""


def stop(what: str) -> None:
    """End in words."""
    sys.exit(f"error: {what}")


def main() -> None:
    """Run all steps."""
    options = set(sys.argv[1:])
    if options - {"--open"}:
        stop(f"unknown option {min(options - {'--open'})}; there is --open only")
    wheels = listed()
    for helper in ("packaging", "installer"):
        sys.path.insert(0, str(the_one(helper, wheels)))
    site, scripts = make_environment()
    fitting = chosen(wheels)
    for wheel in fitting:
        install(wheel, site, scripts)
    compileall.compile_dir(str(site), quiet=2)
    make_scripts()
    on_path()
    if "--open" not in options:
        close()


def listed() -> list[Path]:
    """Return the wheels, each of which is what the list says."""
    found = []
    for line in (HERE / "wheels.txt").read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        path = HERE / "wheels" / name
        if not path.is_file():
            stop(f"{path} is missing")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            stop(f"{path} is not what wheels.txt says: sha256 differs")
        found.append(path)
    return found


def the_one(name: str, wheels: list[Path]) -> Path:
    """Return the wheel of a pure package."""
    found = [wheel for wheel in wheels if wheel.name.startswith(f"{name}-")]
    if len(found) != 1:
        stop(f"{len(found)} wheels of {name} in wheels.txt")
    return found[0]


def make_environment() -> tuple[Path, Path]:
    """Make an empty environment as `venv` would; some images do not have that module."""
    if sys.version_info < (3, 10):  # noqa: UP036 - whatever Python the image has
        stop("Python 3.10 or later is needed")
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    base = Path(os.path.realpath(sys.executable))
    site = ENVIRONMENT / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    scripts = ENVIRONMENT / "bin"
    site.mkdir(parents=True)
    scripts.mkdir()
    for name in ("python", "python3", f"python{sys.version_info[0]}.{sys.version_info[1]}"):
        (scripts / name).symlink_to(base)
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"home = {base.parent}\ninclude-system-site-packages = false\nversion = {version}\n"
    (ENVIRONMENT / "pyvenv.cfg").write_text(text, "utf-8")
    return site, scripts


def chosen(wheels: list[Path]) -> list[Path]:
    """Return the best wheel of each package that this Python can take."""
    tags = import_module("packaging.tags")
    utils = import_module("packaging.utils")
    ranks = {tag: number for number, tag in reversed(list(enumerate(tags.sys_tags())))}
    best: dict[str, tuple[int, Path]] = {}
    names = set()
    for wheel in wheels:
        name, _version, _build, fits = utils.parse_wheel_filename(wheel.name)
        names.add(name)
        rank = min((ranks[tag] for tag in fits if tag in ranks), default=None)
        if rank is not None and (name not in best or rank < best[name][0]):
            best[name] = (rank, wheel)
    for name in sorted(names - best.keys()):
        print(f"note: no wheel of {name} fits this Python and platform")  # noqa: T201 - a script
    return [wheel for _rank, wheel in best.values()]


def install(wheel: Path, site: Path, scripts: Path) -> None:
    """Install one wheel."""
    destinations = import_module("installer.destinations")
    sources: Any = import_module("installer.sources")
    scheme = {"purelib": str(site), "platlib": str(site), "scripts": str(scripts), "data": str(ENVIRONMENT)}
    scheme["headers"] = str(ENVIRONMENT / "include")
    destination = destinations.SchemeDictionaryDestination(
        scheme, interpreter=str(scripts / "python"), script_kind="posix", overwrite_existing=True
    )
    with sources.WheelFile.open(wheel) as source:
        import_module("installer").install(source, destination, additional_metadata={})


def make_scripts() -> None:
    """Write our three commands, started with `-I`: nothing of the user's environment steers them."""
    place = HERE / "bin"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for script, name in SCRIPTS.items():
        path = place / script
        path.write_text(_SCRIPT.format(python=ENVIRONMENT / "bin" / "python", name=name), "utf-8")
        path.chmod(0o755)


def on_path() -> None:
    """Link them into a folder on PATH, or say how to have them there."""
    try:
        ON_PATH.mkdir(parents=True, exist_ok=True)
        for script in SCRIPTS:
            link = ON_PATH / script
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(HERE / "bin" / script)
    except OSError:
        print(f"note: ENV PATH={HERE / 'bin'}:$PATH")  # noqa: T201 - a script


def close() -> None:
    """Let a plain pip and uv install nothing; files that others wrote stay, and are named."""
    for name, place in CLOSED.items():
        text = (HERE / name).read_bytes()
        if place.exists() and place.read_bytes() != text:
            print(f"note: {place} is there already: plain {name.partition('.')[0]} is not closed")  # noqa: T201 - a script
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
        except OSError as error:
            print(f"note: {place} cannot be written ({error.strerror}): not closed")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
