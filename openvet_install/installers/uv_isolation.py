"""Builds of uv without isolation: they run what an environment holds (T31).

`uv pip`, `build`, `sync` and `run` give them the target, once all of it was found clean, and only where something is
to be built so. What only resolves, and scripts, build isolated whatever the configuration says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError
from openvet_install.installers.tokens import has, values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openvet_install.installers.locks_values import Lock, Selection
    from openvet_install.installers.tokens import Token

UNISOLATED = ("--no-build-isolation", "--no-build-isolation-package")
KEYS = ("no-build-isolation", "no-build-isolation-package")
_ISOLATED = "--build-isolation"
_HEEDED = frozenset(
    {
        *(("pip", "install"), ("pip", "sync"), ("pip", "compile")),
        *((one,) for one in ("lock", "sync", "add", "remove", "version", "export", "tree", "run", "build")),
    }
)


class Unisolated(NamedTuple):
    """What a configuration says: the `package` that is built so, None for all; `below_pip`: to `uv pip` alone."""

    package: str | None
    key: str
    where: str
    below_pip: bool

    @property
    def fault(self) -> ConfigError:
        """Where it is not gated."""
        return ConfigError(f"`{self.key}` is refused: it is not gated yet", where=self.where)


def said(key: str, value: Any, where: str, *, below_pip: bool) -> list[Unisolated]:
    """Return what a key says. Raises `ConfigError` for what uv would not take."""
    if key == KEYS[0] and isinstance(value, bool):
        return [Unisolated(None, key, where, below_pip)] if value else []
    if key == KEYS[1] and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [Unisolated(str(canonicalize_name(one)), key, where, below_pip) for one in value]
    raise ConfigError(f"`{key}` is refused: uv would not take its value", where=where)


def heeded(found: Iterable[Unisolated], tokens: Sequence[Token], words: tuple[str, ...]) -> tuple[Unisolated, ...]:
    """Return what of it counts for a command. Raises `ConfigError` where that is not gated."""
    here = tuple(one for one in found if words[:1] == ("pip",) or not one.below_pip)
    if has(tokens, _ISOLATED):
        return ()
    if here and words not in _HEEDED:
        raise here[0].fault
    return here


def is_asked(tokens: Sequence[Token], found: Sequence[Unisolated]) -> bool:
    """Tell whether options or the configuration ask for builds without isolation."""
    return bool(found) or any(has(tokens, name) for name in UNISOLATED)


def isolated(found: Sequence[Unisolated]) -> tuple[str, ...]:
    """Return the option that isolates all builds, where a configuration says otherwise."""
    return (_ISOLATED,) if found else ()


def builds_so(tokens: Sequence[Token], found: Sequence[Unisolated], lock: Lock, selection: Selection) -> bool:
    """Tell whether a target gets something that is to be built without isolation: of an sdist, or a folder."""
    if not is_asked(tokens, found):
        return False
    built = {canonicalize_name(one.package.name) for one in selection.files if not one.file.is_wheel}
    built |= {
        canonicalize_name(one.name) for one in (*selection.direct, *(each for each in lock.packages if each.is_local))
    }
    if has(tokens, UNISOLATED[0]) or any(one.package is None for one in found):
        return bool(built)
    named = {*values_of(tokens, UNISOLATED[1]), *(one.package or "" for one in found)}
    return not built.isdisjoint(map(canonicalize_name, named))


def options(tokens: Sequence[Token], found: Sequence[Unisolated], *, shared: bool) -> list[str]:
    """Return the options for one who builds so (`shared`), or isolates all builds as there is none such."""
    if not shared:
        return list(isolated(found))
    return [part for one in tokens if one.flag and one.flag.name in UNISOLATED for part in one.canonical()]
