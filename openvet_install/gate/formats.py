"""Which kinds of files people let the tool take of a package: wheels, sdists or both; pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.installers.environment import TRUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openvet_install.files import File
    from openvet_install.installers.commands import Plan

_ALL, _NONE = ":all:", ":none:"
_WHEELS = frozenset({"only-binary", "no-build", "no-build-package"})
_SDISTS = frozenset({"no-binary", "no-binary-package"})
_UNDONE = {"build": "no-build", "binary": "no-binary"}
_OFF = frozenset({"0", "false", "no", "off", "n", "f"})


class Formats(NamedTuple):
    """Names of packages of which only wheels, or only sdists, are taken; `:all:` is every one that is not named."""

    wheels: frozenset[str] = frozenset()
    sdists: frozenset[str] = frozenset()

    @classmethod
    def of(cls, plan: Plan) -> Formats:
        """Return what uv's files, variables, options and files of requirements say, in this order."""
        return cls.said(_said(plan))

    @classmethod
    def said(cls, settings: Iterable[tuple[str, str]]) -> Formats:
        """Read names of options with their values, the later ones on top; every other option is passed over."""
        found = cls()
        for said, value in settings:
            name = _UNDONE.get(said, said)
            if name in _WHEELS or name in _SDISTS:
                found = found.with_names([_NONE] if said in _UNDONE else _names(value), wheels=name in _WHEELS)
        return found

    def takes(self, file: File) -> bool:
        """Tell whether the tool may take a file of this kind; a package's own name goes before `:all:`."""
        for key in (file.name, _ALL):
            if key in self.wheels or key in self.sdists:
                return key in (self.wheels if file.is_wheel else self.sdists)
        return True

    def with_names(self, names: Iterable[str], *, wheels: bool) -> Formats:
        """Add names as pip does: `:all:` starts anew on both sides, `:none:` on this one."""
        own, other = (self.wheels, self.sdists) if wheels else (self.sdists, self.wheels)
        for name in names:
            if name == _ALL:
                own, other = frozenset({_ALL}), frozenset()
            elif name == _NONE:
                own = frozenset()
            else:
                own, other = own | {name}, other - {name}
        return Formats(own, other) if wheels else Formats(other, own)


def _names(value: str) -> Iterator[str]:
    """Return the packages of a value; a switch that is on stands for all of them."""
    for said in value.lower().replace(",", " ").split():
        if said in TRUE:
            yield _ALL
        elif said not in _OFF:
            yield said if said.startswith(":") else canonicalize_name(said)


def _said(plan: Plan) -> Iterator[tuple[str, str]]:
    yield from plan.formats
    for name, value in plan.environment.items():
        tool, _, rest = name.partition("_")
        if tool == plan.tool.upper():
            yield rest.lower().replace("_", "-"), value
    for word in plan.argv:
        if isinstance(word, str) and word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name, value if equals else _ALL
    for line in (line for source in plan.inputs for line in source.options):
        words = line.replace("=", " ").split()
        yield from ((name.removeprefix("--"), value) for name, value in pairwise(words))
