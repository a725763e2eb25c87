"""Which entries of a lock one target reaches, and why it does not reach the others."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.installers.locks_values import (
    DEFAULT_GROUPS,
    LockError,
    NotHere,
    OtherTargetError,
    same_version,
)
from openvet_install.installers.markers import FALSE, TRUE, holds_for_uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from openvet_install.installers.locks_values import Dependency, Lock, LockedPackage, Wanted

_NAME = "[\"']([^\"']*)[\"']"
_EXTRA = re.compile(rf"\bextra (==|!=) {_NAME}|{_NAME} (==|!=) extra\b")
_SIMPLE = re.compile(r"(?:sys_platform|platform_system|os_name|platform_machine) == ['\"]([^'\"]+)['\"]")


class Reach(NamedTuple):
    """The entries that are reached, each with the names on the shortest way to it, and the rest."""

    reached: tuple[tuple[LockedPackage, tuple[str, ...]], ...]
    not_here: tuple[NotHere, ...]


def reach(lock: Lock, env: Mapping[str, str], wanted: Wanted) -> Reach:
    """Walk the lock for a target with this complete marker environment.

    Raises `LockError` when the lock is not made for the target or does not have what it names.
    """
    _check_target(lock, env)
    return _UvWalk(lock, env, wanted).reach() if lock.kind == "uv" else _reach_pylock(lock, env, wanted)


def _check_target(lock: Lock, env: Mapping[str, str]) -> None:
    python = env["python_full_version"]
    if lock.requires_python and not _fits_python(lock.requires_python, python, lock.path.name):
        what = f"made for Python {lock.requires_python}, the target has {python}"
        raise OtherTargetError(what, where=lock.path.name, hint="--python PATH    names another target")
    if lock.environments and not any(_holds(lock, marker, env, lock.path.name) for marker in lock.environments):
        raise OtherTargetError("made for other environments than the target's", where=lock.path.name)


def _fits_python(specifier: str, python: str, where: str) -> bool:
    # the tools compare the release: 3.15.0rc1 counts as 3.15.0
    release = Version(python.removesuffix("+")).base_version
    try:
        return SpecifierSet(specifier).contains(release, prereleases=True)
    except ValueError as error:
        raise LockError(f"not a version specifier: `{specifier}`", where=where) from error


def _holds(lock: Lock, marker: Marker, env: Mapping[str, str | AbstractSet[str]], where: str) -> bool:
    """Tell whether a marker holds for a tool that installs from such a lock: pip installs from no uv.lock."""
    if lock.kind == "uv":
        return holds_for_uv(marker, env)
    try:
        return marker.evaluate(env, "lock_file") or holds_for_uv(marker, env)
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise LockError(f"the marker `{marker}` has no meaning here: {error}", where=where) from error


def _reach_pylock(lock: Lock, env: Mapping[str, str], wanted: Wanted) -> Reach:
    """Follow the algorithm of the pylock.toml specification up to the choice of files."""
    groups = frozenset(lock.default_groups or ()) if wanted.groups is None else wanted.groups
    full: dict[str, str | AbstractSet[str]] = {**env, "extras": wanted.extras, "dependency_groups": groups}
    found: dict[str, LockedPackage] = {}
    not_here = []
    for package in lock.packages:
        where = lock.where(package)
        failing = next((one for one in package.markers if not _holds(lock, one, full, where)), None)
        if failing is not None:
            not_here.append(NotHere(package.name, package.version, _short(failing)))
            continue
        python = env["python_full_version"]
        if package.requires_python and not _fits_python(package.requires_python, python, lock.where(package)):
            what = f"{package.name} is for Python {package.requires_python}, the target has {python}"
            raise LockError(what, where=lock.where(package))
        if package.name in found:
            what = f"a second entry of {package.name} for this target, the first is {lock.where(found[package.name])}"
            raise LockError(what, where=lock.where(package))
        found[package.name] = package
    return Reach(tuple((package, ()) for package in found.values()), tuple(not_here))


class _UvWalk:
    """The graph of a uv.lock; entries are numbers, in the order of the file."""

    def __init__(self, lock: Lock, env: Mapping[str, str], wanted: Wanted) -> None:
        self._lock = lock
        self._packages = lock.packages
        self._env = env
        self._wanted = wanted
        self._by_name: dict[str, list[int]] = {}
        for number, package in enumerate(lock.packages):
            self._by_name.setdefault(package.name, []).append(number)
        self._roots = self._find_roots()
        self._active: frozenset[str] = frozenset()
        self._known: dict[str, bool] = {}
        self._ways: dict[int, tuple[str, ...]] = {}
        self._whole: set[int] = set()
        self._extras: set[tuple[int, str]] = set()

    def reach(self) -> Reach:
        # which extras and groups are active decides markers, which decide what is active
        while True:
            self._walk()
            active = self._activated()
            if active <= self._active:
                break
            self._active |= active
        reached = tuple((self._packages[number], way) for number, way in self._ways.items())
        return Reach(reached, self._not_here())

    def _find_roots(self) -> tuple[int, ...]:
        if self._wanted.roots is not None:
            return tuple(self._root(name) for name in self._wanted.roots)
        named = self._by_name.get(self._lock.project or "", [])
        if named:
            return tuple(named)
        local = [number for number, package in enumerate(self._packages) if package.is_local]
        here = [number for number in local if self._packages[number].source.location == "."]
        if here:
            return tuple(here)
        if self._lock.members:
            return tuple(self._root(name) for name in self._lock.members)
        return () if self._lock.requirements or self._lock.groups else tuple(local)

    def _root(self, name: str) -> int:
        for number in self._by_name.get(name, ()):
            if self._packages[number].is_local:
                return number
        raise LockError(f"no member of the workspace is called `{name}`", where=self._lock.path.name)

    def _groups(self, package: LockedPackage | None) -> frozenset[str]:
        return self._wanted_of(package, self._defaults(package) | self._wanted.named_groups)

    def _wanted_of(self, package: LockedPackage | None, asked: frozenset[str]) -> frozenset[str]:
        groups = frozenset(self._lock.groups if package is None else package.groups)
        return (groups if "*" in asked else groups & asked) - self._wanted.without_groups

    def _defaults(self, package: LockedPackage | None) -> frozenset[str]:
        if self._wanted.groups is not None:
            return self._wanted.groups
        told = self._lock.default_groups
        if package is not None and (told is None or (self._wanted.roots and package.source.location != ".")):
            told = package.default_groups
        return frozenset(DEFAULT_GROUPS if told is None else told)

    def _grouped(self) -> Iterator[tuple[int | None, frozenset[str]]]:
        """Give the entries of which groups are wanted, with those groups; None for a root that is no package.

        One member alone gets of the workspace's root what the user names and it does not have itself.
        """
        for root in self._roots:
            yield root, self._groups(self._packages[root])
        if not self._wanted.alone:
            yield None, self._groups(None)
            return
        member = self._packages[self._roots[0]]
        tops = [number for number, one in enumerate(self._packages) if one.is_local and one.source.location == "."]
        for number in (None, *tops):
            package = None if number is None else self._packages[number]
            if package is not member:
                yield number, self._wanted_of(package, self._wanted.named_groups) - member.own_groups

    def _starts(self) -> Iterator[tuple[int | None, Dependency]]:
        """Give the edges that begin outside the graph: of groups, and of a lock without a project."""
        for dependency in () if self._wanted.without_project else self._lock.requirements:
            yield None, dependency
        for number, groups in self._grouped():
            lists = self._lock.groups if number is None else self._packages[number].groups
            for name in sorted(groups):
                for dependency in lists[name]:
                    yield number, dependency

    def _walk(self) -> None:
        self._ways = dict.fromkeys(self._roots, ())
        self._extras = set()
        whole = () if self._wanted.without_project else self._roots
        self._whole = set(whole)
        queue: deque[tuple[int, str | None]] = deque((root, None) for root in whole)
        for root in whole:
            self._enter(root, (), tuple(sorted(self._wanted.extras & self._packages[root].extras.keys())), queue)
        for parent, dependency in self._starts():
            # uv goes by what the edges before this one have asked for
            self._follow(parent, dependency, queue, self._activated())
        while queue:
            number, extra = queue.popleft()
            package = self._packages[number]
            for dependency in package.dependencies if extra is None else package.extras.get(extra, ()):
                self._follow(number, dependency, queue)

    def _follow(
        self,
        parent: int | None,
        dependency: Dependency,
        queue: deque[tuple[int, str | None]],
        now: frozenset[str] | None = None,
    ) -> None:
        own: set[str] = set()
        if self._lock.conflicts:  # for uv what an edge asks for is active where it asks
            own = {f"extra-{len(dependency.name)}-{dependency.name}-{extra}" for extra in dependency.extras}
        ways = (self._active,) if now is None else (self._active, now)
        if not any(self._holds(dependency.marker, active | own) for active in ways):
            return
        number = self._resolve(dependency, None if parent is None else self._packages[parent])
        if number is None:
            return
        way = () if parent is None else (*self._ways.get(parent, ()), self._packages[parent].name)
        if number not in self._whole:
            self._whole.add(number)
            queue.append((number, None))
        self._enter(number, way, dependency.extras, queue)

    def _enter(
        self, number: int, way: tuple[str, ...], extras: Iterable[str], queue: deque[tuple[int, str | None]]
    ) -> None:
        self._ways.setdefault(number, way)
        for extra in extras:
            if (number, extra) not in self._extras:
                self._extras.add((number, extra))
                queue.append((number, extra))

    def _candidates(self, dependency: Dependency) -> list[int]:
        return [
            number
            for number in self._by_name.get(dependency.name, ())
            if (dependency.version is None or same_version(dependency.version, self._packages[number].version))
            and dependency.source in (None, self._packages[number].source)
        ]

    def _resolve(self, dependency: Dependency, parent: LockedPackage | None) -> int | None:
        found = self._candidates(dependency)
        if len(found) > 1:
            found = [number for number in found if self._in_fork(self._packages[number])]
        if len(found) == 1:
            return found[0]
        if parent is None and not found:
            return None  # a requirement of a manifest whose marker fits no fork
        where = self._lock.path.name if parent is None else self._lock.where(parent)
        how_many = "several entries" if found else "no entry"
        raise LockError(f"{how_many} for the dependency `{dependency.name}`", where=where)

    def _in_fork(self, package: LockedPackage) -> bool:
        return not package.markers or any(self._holds(marker) for marker in package.markers)

    def _holds(self, marker: Marker | None, active: frozenset[str] | None = None) -> bool:
        if marker is None:
            return True
        text = str(marker)
        if "extra" in text:
            # uv writes what is active as values of `extra`, and several of them hold at once
            seen = self._active if active is None else active
            text = _EXTRA.sub(lambda match: TRUE if _is_among(seen, match) else FALSE, text)
        if text not in self._known:
            self._known[text] = _holds(self._lock, Marker(text), self._env, self._lock.path.name)
        return self._known[text]

    def _activated(self) -> frozenset[str]:
        if not self._lock.conflicts:
            return frozenset()
        names = {f"extra-{len(name)}-{name}-{extra}" for name, extra in self._named_extras()}
        whole = () if self._wanted.without_project else self._roots
        names |= {f"project-{len(name)}-{name}" for name in (self._packages[root].name for root in whole)}
        for number, groups in self._grouped():
            name = "" if number is None else self._packages[number].name
            names |= {f"group-{len(name)}-{name}-{group}" for group in groups}
        return frozenset(names)

    def _named_extras(self) -> Iterator[tuple[str, str]]:
        for number, extra in self._extras:
            yield self._packages[number].name, extra

    def _not_here(self) -> tuple[NotHere, ...]:
        reasons: dict[int, str] = {}
        self._explain(self._outer_edges(), reasons)
        for number in self._ways:
            self._explain(self._edges(number), reasons)
        queue = deque(reasons)
        while queue:
            number = queue.popleft()
            package = self._packages[number]
            for dependency in (*package.dependencies, *(one for some in package.extras.values() for one in some)):
                for child in self._candidates(dependency):
                    if child not in self._ways and child not in reasons:
                        reasons[child] = reasons[number]
                        queue.append(child)
        return tuple(
            NotHere(package.name, package.version, reasons.get(number, "not asked for"))
            for number, package in enumerate(self._packages)
            if number not in self._ways
        )

    def _explain(self, edges: Iterable[tuple[Dependency, str | None]], reasons: dict[int, str]) -> None:
        """Note why these edges, each with what closes it, do not lead on."""
        for dependency, closed in edges:
            for child in self._candidates(dependency):
                why = closed
                if dependency.marker is not None and not self._holds(dependency.marker):
                    why = _short(dependency.marker)
                elif not self._in_fork(self._packages[child]):
                    why = why or ", ".join(_short(marker) for marker in self._packages[child].markers)
                if why and child not in self._ways:
                    reasons.setdefault(child, why)

    def _outer_edges(self) -> Iterator[tuple[Dependency, str | None]]:
        yield from ((dependency, None) for dependency in self._lock.requirements)
        for group, some in self._lock.groups.items():
            yield from ((dependency, None if group in self._groups(None) else f"group {group}") for dependency in some)

    def _edges(self, number: int) -> Iterator[tuple[Dependency, str | None]]:
        package = self._packages[number]
        yield from ((dependency, None) for dependency in package.dependencies)
        for extra, some in package.extras.items():
            closed = None if (number, extra) in self._extras else f"extra {extra}"
            yield from ((dependency, closed) for dependency in some)
        for group, some in package.groups.items():
            closed = None if number in self._roots and group in self._groups(package) else f"group {group}"
            yield from ((dependency, closed) for dependency in some)


def _is_among(active: frozenset[str], match: re.Match[str]) -> bool:
    name, operator = (match[2], match[1]) if match[1] else (match[3], match[4])
    return (canonicalize_name(name) in active) is (operator == "==")


def _short(marker: Marker) -> str:
    text = str(marker)
    simple = _SIMPLE.fullmatch(text)
    return simple[1] if simple else text.replace('"', "'")
