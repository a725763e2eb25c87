"""Who asked for which package, and whether what was withheld stood in the way; pure.

Known are the requirements that were typed and those in the metadata of released files. From them
follow the shortest route to a package, and the releases that the tool could have taken.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from openvet_install.archive import Contents


class Root(NamedTuple):
    """A requirement that somebody typed, and where: `command line` or `req.txt:3`."""

    requirement: Requirement
    origin: str


class Needs(NamedTuple):
    """What one released file asks for; `builds` are the requirements of its build backend."""

    name: str
    version: str
    requires: tuple[str, ...]
    builds: tuple[str, ...] = ()

    @classmethod
    def of(cls, contents: Contents) -> Needs:
        """Return what an opened archive asks for."""
        return cls(contents.name, contents.version, contents.requires, contents.build_requires)


class _Edge(NamedTuple):
    needs: Needs
    requirement: Requirement

    def __str__(self) -> str:
        spec = str(self.requirement.specifier)
        return f"{self.needs.name}=={self.needs.version}: {canonicalize_name(self.requirement.name)}{spec}"


class Wanted:
    """The requirements known in one run, for one target's markers."""

    def __init__(
        self,
        roots: Sequence[Root],
        needs: Iterable[Needs],
        markers: Mapping[str, str] | None,
        *,
        limits: Iterable[Requirement] = (),
        overrides: Iterable[Requirement] = (),
    ) -> None:
        """Without `markers` every requirement counts.

        `limits` only narrow what is asked for by others, `overrides` take the place of what anybody asks of a package.
        """
        self._markers = dict(markers) if markers is not None else None
        self._overrides: dict[str, list[Requirement]] = {}
        for one in overrides:
            here = self._overrides.setdefault(canonicalize_name(one.name), [])
            here += [one] if self._applies(one, ()) else []
        self._roots: dict[str, list[Root]] = {}
        for root in roots:
            for one in self._overridden(root.requirement) if self._applies(root.requirement, ()) else ():
                self._roots.setdefault(canonicalize_name(one.name), []).append(root._replace(requirement=one))
        self._limits: dict[str, SpecifierSet] = {}
        for one in limits:
            if self._applies(one, ()):
                name = canonicalize_name(one.name)
                self._limits[name] = self._limits.get(name, SpecifierSet()) & one.specifier
        self._edges: dict[str, list[_Edge]] = {}
        for need in needs:
            for requirement in self._read((*need.requires, *need.builds)):
                self._edges.setdefault(canonicalize_name(requirement.name), []).append(_Edge(need, requirement))
        self._routes = self._walk()

    def route(self, name: str) -> tuple[str, ...]:
        """Return the shortest way from what was typed to a package; empty if nothing known leads there."""
        return self._routes.get(name, ())

    def specifiers(self, name: str, chosen: Mapping[str, str]) -> SpecifierSet:
        """Return what is asked of a package by people and by the releases that were `chosen`."""
        wanted = self._typed(name)
        for edge in self._edges.get(name, ()):
            if chosen.get(edge.needs.name) == edge.needs.version:
                wanted &= edge.requirement.specifier
        return wanted

    def demands(self, name: str) -> SpecifierSet:
        """Return all that is known to be asked of a package, joined."""
        wanted = self._typed(name)
        for edge in self._edges.get(name, ()):
            wanted &= edge.requirement.specifier
        return wanted

    def alternatives(self, name: str) -> list[SpecifierSet]:
        """Return every single demand on a package, each joined with what people typed."""
        typed = self._typed(name)
        return [typed, *(typed & edge.requirement.specifier for edge in self._edges.get(name, ()))]

    def _typed(self, name: str) -> SpecifierSet:
        wanted = self._limits.get(name, SpecifierSet())
        for root in self._roots.get(name, ()):
            wanted &= root.requirement.specifier
        return wanted

    def _walk(self) -> dict[str, tuple[str, ...]]:
        routes: dict[str, tuple[str, ...]] = {name: (roots[0].origin,) for name, roots in self._roots.items()}
        outgoing: dict[str, list[tuple[str, _Edge]]] = {}
        for name, edges in self._edges.items():
            for edge in edges:
                outgoing.setdefault(edge.needs.name, []).append((name, edge))
        queue = deque(routes)
        while queue:
            current = queue.popleft()
            for name, edge in outgoing.get(current, ()):
                if name not in routes:
                    routes[name] = (*routes[current], str(edge))
                    queue.append(name)
        return routes

    def _read(self, lines: Iterable[str]) -> Iterable[Requirement]:
        extras = self._extras()
        for line in lines:
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                continue
            if self._applies(requirement, extras):
                yield from self._overridden(requirement)

    def _overridden(self, requirement: Requirement) -> list[Requirement]:
        return self._overrides.get(canonicalize_name(requirement.name), [requirement])

    def _extras(self) -> tuple[str, ...]:
        return tuple({extra for roots in self._roots.values() for root in roots for extra in root.requirement.extras})

    def _applies(self, requirement: Requirement, extras: Iterable[str]) -> bool:
        if requirement.marker is None or self._markers is None:
            return True
        try:
            return any(requirement.marker.evaluate({**self._markers, "extra": extra}) for extra in ("", *extras))
        except ValueError:
            # a comparison that makes no sense: count it, so that nothing that stands in the way is overlooked
            return True


def satisfiable(specifiers: SpecifierSet, versions: Iterable[str]) -> bool:
    """Tell whether any version fits; pre-releases count, as a tool may have been told to take them."""
    return any(specifiers.contains(version, prereleases=True) for version in versions)
