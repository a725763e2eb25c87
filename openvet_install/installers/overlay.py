"""The environment of `uv run --with`: what it adds lies over the one that runs, as uv lays it."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from openvet_install.errors import InstallError, UsageError
from openvet_install.installers import disk, fresh
from openvet_install.installers.lines import by_name
from openvet_install.installers.locks import read_lock
from openvet_install.installers.markers import holds_for_uv
from openvet_install.installers.preferring import preferring
from openvet_install.installers.target import ask, new_environment
from openvet_install.installers.tokens import has, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from openvet_install.installers.commands import Plan
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token

PATH_FILE = "_uv_ephemeral_overlay.pth"
_SATISFIED = "Would make no changes"
_ENTRY_BYTES = 64 * 1024
_WITH = ("--with", "--with-editable", "--with-requirements")


class Overlay:
    """What `--with` and its like in `tokens` add to the environment `base`, in a new one at `prefix`."""

    def __init__(
        self,
        tokens: Sequence[Token],
        base: Target,
        prefix: Path,
        *,
        uv: str,
        cwd: str,
        child: Mapping[str, str],
    ) -> None:
        """`cwd` is where the command was typed, `child` the variables for uv."""
        self._tokens, self._base, self._prefix = tokens, base, prefix
        self._uv, self._cwd, self._child = uv, cwd, child
        self._target: Target | None = None

    def is_needed(self) -> bool:
        """Tell whether something is asked for that the environment below does not have."""
        if not any(has(self._tokens, name) for name in _WITH):
            return False
        if any(has(self._tokens, name) for name in (*_WITH[1:], "--reinstall", "--reinstall-package")):
            return True
        words = [word for word in fresh.separated(values_of(self._tokens, "--with")) if word]
        if not words:
            return False
        if not all(map(_by_name, words)):
            return True  # of an archive or folder uv would run the build, to know what it is
        command = [self._uv, "pip", "install", "--dry-run", "--offline", "--no-index", "--no-cache", "--no-config"]
        command += ["--no-build", "--color=never", "--break-system-packages", f"--python={self._base.python}"]
        ended = ask([*command, "--", *words], self._child, self._cwd)
        return ended.returncode != 0 or _SATISFIED not in ended.stderr.decode(errors="replace")

    def plans(
        self, environ: Mapping[str, str], lock: Path | None, *, typed: tuple[str, ...], fetch: FetchOutside
    ) -> Iterator[Plan]:
        """Make the environment, empty, and yield the plan that fills it. Errors: `uv.plan`.

        With the `lock` of a project its versions are preferred, as by uv: what must be another one is.
        """
        python = str(self._base.python)
        target = self._target = new_environment(self._uv, python, self._prefix, self._child, self._cwd)
        plan = fresh.fill(target, self._tokens, (), environ, self._cwd, typed=typed, fetch=fetch)
        versions = _versions(lock, target) if lock is not None else {}
        steps = preferring(plan, versions, self._prefix.with_name("versions.txt")) if versions else None
        if steps is not None:
            yield steps
        if steps is None or not any(target.purelib.glob("*.dist-info")):
            yield plan

    def finish(self) -> Target:
        """Lay it over the environment below, when what was installed has been checked, and return it."""
        if self._target is None:
            raise ValueError("not planned")
        below = "".join(f"import site; site.addsitedir({str(one)!r})\n" for one in dict.fromkeys(self._site()))
        (self._target.purelib / PATH_FILE).write_text(below, "utf-8")
        self._take_commands(self._target)
        return self._target

    def _site(self) -> tuple[Path, Path]:
        return self._base.purelib, self._base.platlib

    def _take_commands(self, target: Target) -> None:
        """Let commands of the environment below run with this one's Python: else they would not see what is added."""
        starts = tuple(b"#!" + os.fsencode(self._base.scripts / name) + b"\n" for name in _pythons(self._base))
        for entry in self._base.scripts.iterdir() if self._base.virtual else ():
            place = target.scripts / entry.name
            if place.exists() or entry.is_symlink() or not entry.is_file():
                continue
            raw = disk.read(str(entry), _ENTRY_BYTES)
            if raw is not None and raw.startswith(starts):
                place.write_bytes(b"#!" + os.fsencode(target.python) + raw[raw.index(b"\n") :])
                place.chmod(entry.stat().st_mode & 0o777)


def _versions(lock: Path, target: Target) -> dict[str, str]:
    """Return the versions of an index that a lock has for the target, by name; none if it cannot be read."""
    found: dict[str, set[str]] = defaultdict(set)
    with suppress(InstallError):
        for one in read_lock(lock).packages:
            if one.markers and not any(holds_for_uv(marker, target.environment) for marker in one.markers):
                continue
            found[canonicalize_name(one.name)].add(one.version if one.source.kind == "registry" else "")
    return {name: versions.pop() for name, versions in found.items() if len(versions) == 1 and "" not in versions}


def _by_name(word: str) -> bool:
    try:
        by_name(word)
    except UsageError:
        return False
    return True


def _pythons(target: Target) -> tuple[str, ...]:
    major, minor, _micro = target.version
    return ("python", f"python{major}", f"python{major}.{minor}")
