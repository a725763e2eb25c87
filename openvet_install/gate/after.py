"""The target after a run: what is new, which file it came from, and what does not belong (threats T30, T31)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.archive import ArchiveError
from openvet_install.archive.foreign import METADATA_FOLDERS, METADATA_TEXT, foreign_place
from openvet_install.gate.model import Stray
from openvet_install.gate.projects import local_decision
from openvet_install.installers import direct, disk
from openvet_install.installers.bytecode import unfaithful
from openvet_install.installers.installed import Release, compare, places_of, source_of
from openvet_install.installers.projects import name_of
from openvet_install.installers.target import made_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from openvet_install.archive import Contents
    from openvet_install.decide import Decision
    from openvet_install.gate.keeper import Keeper
    from openvet_install.gate.outcome import Fit
    from openvet_install.gate.remembered import Archives
    from openvet_install.installers.disk import Places, Snapshot
    from openvet_install.installers.installed import Content, Finding
    from openvet_install.installers.projects import Project
    from openvet_install.installers.target import Target


_TEMPORARY = re.compile(r"\.tmp\w{6}|.+\.tmp")
"""What uv and pip write before they rename it."""


class Changes(NamedTuple):
    """What happened to the target.

    `new` maps the names of added or changed distributions to versions; `cached` are decisions about those
    of them whose bytes the tool had in its cache; `untouched` counts the distributions that did not change.
    """

    new: dict[str, str]
    cached: list[Decision]
    strays: tuple[Stray, ...]
    untouched: int
    nothing: bool


def changes(
    before: Snapshot,
    after: Snapshot,
    keeper: Keeper,
    archives: Archives,
    *,
    compiled: bool,
    fits: Fit,
    chooses: bool,
    typed: Mapping[str, str] | None = None,
    projects: Sequence[Project] = (),
    content: Content,
) -> Changes:
    """Compare the target with what was released, both ways, by the archives' own bytes.

    A distribution that came out of the tool's cache is compared with the file that is approved today,
    from our store. `chooses`: something told the tool which files of a release to take, so it may have built
    an sdist although a wheel fits the target. `typed` maps addresses that the tool was given for what people named
    to what they wrote; `projects` are folders that may be installed as they are. `content`: see `compare`.
    """
    new, untouched = _moved(before, after)
    released: dict[tuple[str, str], list[Release]] = {}
    cached: list[Decision] = []
    built: set[tuple[str, str]] = set()
    local = _local(before, after, projects)
    cached += [local_decision(project, name, new[name]) for name, project in local.items()]
    let_through: dict[tuple[str, str], list[tuple[Decision, Contents]]] = {}
    for decision, contents in keeper.ledger.opened():
        let_through.setdefault((contents.name, contents.version), []).append((decision, contents))
    sent = {one.decision.file.url for one in keeper.ledger.gone_out()}
    for name, version in new.items():
        if name in local:
            continue
        found = let_through.get((name, version), [])
        kept = [decision for decision, _contents in found if decision.file.url not in sent]
        all_kept = len(kept) == len(found)  # we had opened them ahead, and the tool asked for none
        cached += [one for one in kept if all_kept or one.file.url[:5] == "file:"]
        if not found:
            found = list(_stored(name, version, keeper, archives))
            cached += [decision for decision, _contents in found]
        if not _may_be_built(name, version, keeper, fits=fits, chooses=chooses):
            found = [one for one in found if one[1].kind == "wheel"]
        if any(contents.kind == "sdist" for _decision, contents in found):
            built.add((name, version))
        released[name, version] = [release_of(contents) for _decision, contents in found]
    faithless = partial(unfaithful, before.places.python)
    findings = compare(before, after, released, compiled=compiled, local=local, unfaithful=faithless, content=content)
    strays = strays_of(findings)
    strays += _direct(before, after, typed or {})
    strays += foreign(before, after, built)
    return Changes(new, cached, tuple(strays), untouched, nothing=not new and not strays)


def strays_of(findings: Iterable[Finding]) -> list[Stray]:
    """Return findings as what a run tells."""
    return [
        Stray(name=one.name, version=one.version or None, path=one.path, reason=one.reason, text=one.text)
        for one in findings
    ]


def half_installed(strays: Sequence[Stray], keeper: Keeper, places: Places) -> list[Stray]:
    """Return what is gone again and was no more than the beginning of a released wheel: the tool was cut off."""
    releases = [release_of(one.contents) for one in keeper.ledger.opened() if one.contents.kind == "wheel"]
    ground = {path for release in releases for path in places_of(release, places)}
    folders = {path.rpartition("/")[0] for path in ground}

    def begun(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return {path, source_of(path)} & ground != set() or (
            folder in folders and _TEMPORARY.fullmatch(name) is not None
        )

    return [one for one in strays if one.undone and begun(one.path)]


def told_of(strays: Sequence[Stray], halves: Sequence[Stray], away: Path) -> list[str]:
    """Say where that is what was moved away, and that a part of it was half installed."""
    if not any(one.undone for one in strays):
        return []
    what = "what was half installed" if len(halves) == len(strays) else "what did not belong"
    return [f"{what} was moved to {away}"]


def _moved(before: Snapshot, after: Snapshot) -> tuple[dict[str, str], int]:
    """Name every distribution of whose `.dist-info` anything moved."""
    moved = [info for _root, info in _infos(before, after)]
    return dict(map(after.identity, moved)), sum(1 for _ in after.infos()) - len(moved)


def _infos(before: Snapshot, after: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield (root, `.dist-info` folder) of the distributions of which something there is new or changed."""
    moved = {
        path.partition(".dist-info/")[0] + ".dist-info"
        for path, stamp in after.stamps.items()
        if ".dist-info/" in path and before.stamps.get(path) != stamp
    }
    yield from ((root, info) for root, info in after.infos() if info in moved)


def _may_be_built(name: str, version: str, keeper: Keeper, *, fits: Fit, chooses: bool) -> bool:
    """Tell whether the tool may have built this release: an sdist says nothing of what should lie on disk.

    Not if a wheel of it went out, and not if one was to be had that fits, unless something made the tool choose.
    """
    if any(one.decision.file.is_wheel and _is(one.decision, name, version) for one in keeper.ledger.gone_out()):
        return False
    shown = (one for one in keeper.ledger.about(name) if one.shown and one.file.version == version)
    return chooses or not any(one.file.is_wheel and one.file.yanked is False and fits(one.file) for one in shown)


def _is(decision: Decision, name: str, version: str) -> bool:
    return (decision.file.name, decision.file.version) == (name, version)


def _local(before: Snapshot, after: Snapshot, projects: Sequence[Project]) -> dict[str, Project]:
    """Name the distributions that were installed from folders: one of each, with the name that the project has."""
    found: dict[str, list[str]] = {}
    for _root, info in _infos(before, after) if projects else ():
        found.setdefault(direct.url_of(info) or "", []).append(after.identity(info)[0])
    own = {}
    for project in projects:
        names = found.get(project.url, [])
        if len(names) == 1 and name_of(project) in (None, names[0]):
            own[names[0]] = project
    return own


def _direct(before: Snapshot, after: Snapshot, typed: Mapping[str, str]) -> Iterator[Stray]:
    """Find what came from a file, folder or address that nobody typed: an archive's metadata must have asked for it."""
    for _root, info in _infos(before, after):
        path = f"{info}/{direct.NAME}"
        if path not in after.stamps or before.stamps.get(path) == after.stamps[path]:
            continue
        url = direct.url_of(info)
        meant = typed.get(url or "")
        if meant is None:
            name, version = after.identity(info)
            text = f"`{name}` {version} did not come from an index: something that was built asked for a file elsewhere"
            yield Stray(name=name, version=version or None, path=info, reason="unexpected-file", text=text)
        elif meant != url:
            direct.put_back(info, meant)


def foreign(before: Snapshot, after: Snapshot, built: set[tuple[str, str]]) -> Iterator[Stray]:
    """Hold wheels that were built to the places that no wheel may write to; released ones were looked at before."""
    scripts = after.places.command_folder + "/"
    for root, info in _infos(before, after) if built else ():
        name, version = after.identity(info)
        if (name, version) not in built:
            continue
        for row in disk.rows(root, info, after.places.beside) or ():
            inside = next((one for one in (f"{at}/" for at in after.places.roots) if row.path.startswith(one)), None)
            if row.path.startswith(scripts):
                wrong = foreign_place("scripts", row.path.removeprefix(scripts), str(canonicalize_name(name)))
            elif inside is not None:
                place = row.path.removeprefix(inside)
                top = place.partition("/")[0]
                others = top.casefold().endswith(METADATA_FOLDERS) and inside + top != info
                wrong = METADATA_TEXT if others else foreign_place("site", place, str(canonicalize_name(name)))
            else:
                continue
            if wrong is not None:
                text = f"what was built of it brings a file that {wrong}"
                yield Stray(name=name, version=version or None, path=row.path, reason="unexpected-file", text=text)


def made_anew(target: Target, before: tuple[int, int] | None) -> Iterator[Stray]:
    """Find an environment that the tool has replaced: its packages lie where nothing was compared.

    `before`: what it was made of. Commands that install nothing may be about another Python than that.
    """
    if target.virtual and made_of(target) not in (None, before, target.version[:2]):
        prefix = str(target.prefix)
        text = f"`{prefix}` was made anew with another Python, so nothing in it was compared"
        yield Stray(name="", version=None, path=prefix, reason="unexpected-file", text=text)


def _stored(name: str, version: str, keeper: Keeper, archives: Archives) -> Iterator[tuple[Decision, Contents]]:
    """Yield the shown files of a release that our store holds, opened again."""
    for decision in keeper.ledger.about(name):
        sha256 = decision.file.sha256
        if decision.file.version != version or not decision.shown or sha256 is None:
            continue
        blob = archives.blobs.find(sha256)
        if blob is None:
            continue
        try:
            yield decision, archives.open(blob, decision.file.filename)
        except ArchiveError:
            continue


def release_of(contents: Contents) -> Release:
    """Return an opened archive as what a target is compared with."""
    return Release(
        name=contents.name,
        version=contents.version,
        kind=contents.kind,
        members=contents.members,
        scripts=contents.scripts,
        script_tails=contents.script_tails,
    )
