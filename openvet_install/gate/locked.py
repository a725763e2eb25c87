"""`uv sync`: the lock's files are judged before uv starts, and told with their lines (threats T05, T07, T14)."""

# Paths stay strings, as uv reads them.
# ruff: noqa: PTH100, PTH120

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from openvet_install.decide import Action, Decision, Reason, broken
from openvet_install.files import File
from openvet_install.gate.model import Judged, Spot
from openvet_install.gate.once import Once
from openvet_install.gate.together import together
from openvet_install.gateway.addresses import AddressError, canonical_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from openvet_install.gate.browse import Browser
    from openvet_install.gate.days import Listed
    from openvet_install.gate.keeper import Keeper
    from openvet_install.gate.model import Run
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.locks import LockedPackage
    from openvet_install.installers.uv_sync import Locked

WEB = ("http://", "https://")


def pins(locked: Locked) -> dict[str, frozenset[str]]:
    """Return the versions that the lock names, by normalised name."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in locked.selection.files:
        found[one.file.name].add(one.file.version)
    return {name: frozenset(versions) for name, versions in found.items()}


def admit(locked: Locked, keeper: Keeper, listed: Listed, *, folders: Collection[str] = ()) -> bool:
    """Judge what the target would get, and what in the lock has no index, reached or not, but for what is left out.

    Archives that the tool gets as copies are judged where those are made. `folders` are those of which copies were
    made, absolute: of their files the decision is known. Returned is whether uv may start. Raises what the logs and
    `listed` (see `Keeper.locked`) raise.
    """
    good = True
    for package in locked.packages:
        named = [file for file in package.files if file.url not in locked.copied]
        if package.source.kind != "registry" and not package.is_local and (named or not package.files):
            refuse_direct(package, keeper)
            good = False
        for file in named if package.source.kind == "registry" else ():
            if _address(file) is None and _folder_of(file) not in folders:
                keeper.refuse_local(refused_entry(package, "path", file.url))
                good = False
    for file in (one.file for one in locked.selection.files):
        if file.url not in locked.copied and _folder_of(file) in folders:
            good = _from_folder(file, keeper) and good
    for decision in _judged(locked, keeper, listed):
        if not decision.shown:
            keeper.refuse_local(decision)
            good = False
    return good


def _judged(locked: Locked, keeper: Keeper, listed: Listed) -> Iterable[Decision]:
    """Decide about what comes from the web; several indexes are asked at the same time."""
    groups = _grouped(locked)
    judged = [(index, name, keeper.locked(index, name, _of_web(files), listed)) for index, name, files in groups]
    aging = [one for one in judged if any(map(keeper.hangs_on_age, one[2]))]
    aged, failed = together(lambda one: keeper.aged(*one, listed), aging)
    if failed:
        raise failed[0][1]
    decided = {one[:2]: one[2] for one in judged} | {one[:2]: found for one, found in aged}
    return chain.from_iterable(decided.values())


@contextmanager
def listing(plan: Plan) -> Iterator[Listed]:
    """Yield what asks the index that a lock names, else those of the plan, what it lists of a project, for `admit`."""
    with ExitStack() as stack:
        browser: Once[Browser] = Once()
        pages: Once[Sequence[File]] = Once()

        def ask(index: str, project: str) -> Sequence[File]:
            from openvet_install.gate.browse import browsing  # noqa: PLC0415 - for few locks

            way = browser.get(None, lambda: stack.enter_context(browsing(plan)))
            return (way.page(index, project) if index else way.listed(project)) or ()

        yield lambda index, project: pages.get((index, project), lambda: ask(index, project))


def _folder_of(file: File) -> str | None:
    """Return the folder of this machine in which a file lies."""
    if not file.url.startswith("file:"):
        return None
    return os.path.dirname(os.path.abspath(unquote(urlsplit(file.url).path)))


def _from_folder(file: File, keeper: Keeper) -> bool:
    """Tell whether a file of a folder was released, and note it if not."""
    url = Path(_folder_of(file) or "", file.filename).as_uri()
    known = next((one for one in keeper.ledger.about(file.name) if one.file.url == url), None)
    if known is None:
        known = Decision(file=file, action=Action.BLOCK, reason=Reason.UNAUDITED, detail="its folder does not hold it")
    elif known.shown and file.sha256 not in (None, known.file.sha256):
        known = broken(known.file, Reason.HASH_MISMATCH, "the lock has another sha256 of it")
    if known.shown:
        return keeper.ledger.released(url) is not None
    keeper.refuse_local(known)
    return False


def refuse_direct(package: LockedPackage, keeper: Keeper) -> None:
    """Note that an entry comes from a place that no index is."""
    keeper.refuse_local(refused_entry(package, *package.source))


def tell_places(result: Run, plan: Plan) -> None:
    """Add the lines of the lock to what a run tells."""
    if plan.locked is None:
        return
    lock = plan.locked.lock
    result.lock = lock.path.name
    result.locked = len({one.package.name for one in plan.locked.selection.files})
    chosen = {(one.file.name, one.file.version): one for one in plan.locked.selection.files}
    packages = {(one.name, one.version or "0"): one for one in lock.packages}
    for judged in (result.files, result.withheld):
        for number, one in enumerate(judged):
            release = (one.decision.file.name, one.decision.file.version)
            package = chosen[release].package if release in chosen else packages.get(release)
            if package is not None:
                spot = Spot(str(lock.path), package.line)
                route = chosen[release].via if release in chosen else one.route
                judged[number] = Judged(decision=one.decision, route=route, place=lock.where(package), spot=spot)


def _grouped(locked: Locked) -> list[tuple[str, str, list[File]]]:
    found: dict[tuple[str, str], list[File]] = defaultdict(list)
    for one in locked.selection.files:
        if one.file.url not in locked.copied:
            found[one.file.index, one.file.name].append(one.file)
    return [(index, name, files) for (index, name), files in found.items()]


def _of_web(files: Iterable[File]) -> list[File]:
    addresses = ((file, _address(file)) for file in files)
    return [replace(file, url=address) for file, address in addresses if address is not None]


def _address(file: File) -> str | None:
    """Return the address as the gateway will see it, None when it is none of the web's."""
    try:
        return canonical_url(file.url) if file.url.startswith(WEB) else None
    except AddressError:
        return None


def refused_entry(package: LockedPackage, kind: str, location: str) -> Decision:
    """Refuse a repository, path or URL in every mode: nothing of it would pass the gateway."""
    version = package.version or "0"
    file = File(
        name=package.name,
        version=version,
        filename=f"{package.name}-{version}.tar.gz",
        url=location,
        index=location,
    )
    return Decision(file=file, action=Action.BLOCK, reason=Reason.DIRECT_REFERENCE, detail=f"{kind} {location}")
