"""What a project's lock says to what is added to it: versions that uv prefers, and bounds of nothing.

`uv pip install` prefers none, but `uv pip compile` those that its output has already. So there is a first step that
only resolves; the second one installs what it came to, and is judged like any other.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from openvet_install.installers import disk
from openvet_install.installers.commands import (
    CONSTRAINTS,
    REQUIREMENTS,
    Input,
    Plan,
    Requested,
    projects_of,
)
from openvet_install.installers.lines import pins_in
from openvet_install.installers.mirror import PrivateCopy, write_private
from openvet_install.installers.passing import flag_table
from openvet_install.installers.projects import Project
from openvet_install.installers.uv import in_a_file
from openvet_install.installers.uv_resolve import Resolution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from openvet_install.installers.mirror import Mirrored
    from openvet_install.installers.sources import Archive, Links

    Word = str | Archive | Input | Links | Mirrored | PrivateCopy | Project | Requested

COMPILE = ("pip", "compile")
_HOW_IT_LOOKS = ("--no-annotate", "--no-header", "--no-universal", "--format=requirements.txt")
_NOT_HERE = frozenset({"--quiet", "--verbose", "--upgrade", "--no-upgrade", "--upgrade-package"})
"""What has a value of ours, and what upgrades: uv upgrades the lock, and prefers what that has then."""
_MAX_BYTES = 16 * 1024 * 1024


def preferring(plan: Plan, versions: Mapping[str, str], place: Path) -> Plan | None:
    """Return `plan`, a `uv pip install`, in two steps that prefer the `versions` of names; None where there is no way.

    `place` is a file of this run alone, still to be made.
    """
    if any(isinstance(word, PrivateCopy) for word in plan.argv):
        return None  # a lock: it says itself which versions
    write_private(place, "".join(f"{name}=={version}\n" for name, version in versions.items()))
    pinned = {name: frozenset({version}) for name, version in versions.items()}
    return replace(
        plan,
        words=COMPILE,
        argv=tuple(_resolving(plan, place)),
        bare_files=True,
        tentative=True,
        resolution=Resolution(files=(), pinned=pinned, then=partial(_held_to, plan, versions, place)),
    )


def _resolving(plan: Plan, place: Path) -> Iterator[Word]:
    """Give the words of the first step: those of `plan` that it knows, what is asked for in files."""
    known = flag_table("uv", COMPILE)
    words = list(plan.argv[len(plan.words) :])
    cut = words.index("--") if "--" in words else len(words)
    yield from COMPILE
    yield from (*_HOW_IT_LOOKS, "--quiet", "--quiet", f"--output-file={place}")
    for word in words[:cut]:
        if isinstance(word, str):
            name = word.partition("=")[0]
            if name in known and name not in _NOT_HERE:
                yield word
        elif not isinstance(word, Project):
            yield word
    yield from in_a_file(projects_of(words))
    if typed := tuple(one for one in words[cut + 1 :] if isinstance(one, (str, Requested))):
        yield Input("--with", typed, REQUIREMENTS)


def _held_to(plan: Plan, preferred: Mapping[str, str], place: Path) -> Plan:
    """Return the plan with the versions that were found; to the policies only those of the lock are what was asked."""
    raw = disk.read(str(place), _MAX_BYTES) or b""
    found = tuple(Requested(one, "uv.lock") for one in pins_in(raw.decode(errors="replace")))
    held = Input("uv.lock", found, CONSTRAINTS)
    of_lock = [one for one in found if _version(one) == preferred.get(canonicalize_name(one.requirement.name))]
    start = len(plan.words)
    return replace(plan, argv=(*plan.argv[:start], held, *plan.argv[start:]), limits=(*plan.limits, *of_lock))


def _version(one: Requested) -> str:
    return next(iter(one.requirement.specifier)).version
