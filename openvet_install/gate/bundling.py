"""Making a bundle: a run is rehearsed as it will be where no log is in reach, and what it asks for is what goes in.

The rehearsal has an empty store and nobody to ask but a recorder in front of the logs, so a bundle lacks nothing that
judging its packages needs, and verification there is the same code on the same bytes.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.files import File
from openvet_install.gate.bundles import BUNDLE, Bundles
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.state import Looks, usable_folders
from openvet_install.http import Fetcher
from openvet_install.openvet.bundle import Bundle, Told, pack
from openvet_install.openvet.faults import LogMissingError
from openvet_install.openvet.source import Source
from openvet_install.openvet.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from openvet_install.config import LogSettings, PolicyFile
    from openvet_install.gate.model import LogSeen
    from openvet_install.gate.setting import Setting
    from openvet_install.openvet.faults import Kind

NOBODYS = "0" * 64
"""The sha256 of a file that no log knows: what is asked of it is asked of every file of its package."""


class Made(NamedTuple):
    """A bundle that was made: its bytes, the logs with their newest heads, what people should hear."""

    raw: bytes
    logs: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


class _Recorder:
    """One log for the rehearsal, see `Held`: hands out what its hosts and the store have, and notes it."""

    def __init__(self, source: Source, head: bytes) -> None:
        self.place = source.key
        self.head = head
        self.objects: dict[tuple[Kind, bytes], bytes] = {}
        self.told: dict[bytes, tuple[bytes, ...]] = {}
        self.noted: dict[bytes, tuple[bytes, ...]] = {}
        self._source = source

    def get(self, kind: Kind, name: bytes) -> bytes | None:
        try:
            raw = self._source.raw(kind, name)
        except LogMissingError:
            return None
        self.objects[kind, name] = raw
        return raw

    def has(self, kind: Kind, name: bytes) -> bool:
        return self._source.has(kind, name)

    def insertions(self, audit: bytes) -> tuple[bytes, ...]:
        found = self._source.store.hints(self._source.key, audit)[:1]
        if found:
            self.told[audit] = found
        return found

    def subjects(self, sha256: bytes) -> tuple[bytes, ...]:
        found = self._source.subjects(sha256)
        if found:
            self.noted[sha256] = found
        return found


class _Rehearsed(Bundles):
    """The bundle that is being made, for every policy."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self._bundle = bundle

    def of(self, policy: PolicyFile) -> Bundle:  # noqa: ARG002 - one for all
        return self._bundle


def make(chosen: Setting, packages: Collection[str], files: Sequence[File], environ: Mapping[str, str]) -> Made:
    """Ask the logs for their newest heads and return a bundle of all that is said about packages (normalised names).

    `files` are those of them that are known already. Raises what opening and reading logs raises.
    """
    warnings: list[str] = []
    with ExitStack() as stack:
        folders = stack.enter_context(usable_folders(environ, warnings))
        fetcher = stack.enter_context(Fetcher(environ=environ))
        store = stack.enter_context(Store(folders.cache / "objects"))
        asking = [replace(one, settings=replace(one.settings, check_every=timedelta(0))) for one in chosen.policies]
        live = Knowledge(
            asking, fetcher=fetcher, store=store, looks=Looks(folders.state), now=chosen.now, watch=chosen.watch
        )
        live.open()
        seen = live.logs
        recorders = {url: _Recorder(source, head) for url, source, head in _sources(chosen, seen, fetcher, store)}
        made = min([chosen.now, *(one.checked for one in seen if one.checked is not None)])
        bundle = Bundle(BUNDLE, made, frozenset(packages), recorders)
        _rehearse(chosen, bundle, files, stack)
    told = {url: Told(one.head, one.told, one.noted) for url, one in recorders.items()}
    objects = {key: raw for one in recorders.values() for key, raw in one.objects.items()}
    heads = dict.fromkeys((one.name, one.newest) for one in seen)
    return Made(pack(made, bundle.packages, told, objects), tuple(heads), (*warnings, *live.warnings))


def _sources(
    chosen: Setting, seen: Sequence[LogSeen], fetcher: Fetcher, store: Store
) -> Iterator[tuple[str, Source, bytes]]:
    settings: dict[tuple[str, str], LogSettings] = {
        (policy.scope, name): one for policy in chosen.policies for name, one in policy.logs.items()
    }
    for one in seen:
        log = settings[one.scope, one.name]
        source = Source(log.url, log.mirrors, fetcher, store)
        yield source.key, source, bytes.fromhex(one.newest)


def _rehearse(chosen: Setting, bundle: Bundle, files: Sequence[File], stack: ExitStack) -> None:
    """Judge as if nothing were in reach but the bundle."""
    empty = Looks(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openvet-bundle-"))))
    knowledge = Knowledge(
        chosen.policies, fetcher=stack.enter_context(Fetcher(environ={})), store=stack.enter_context(Store(None)),
        looks=empty, now=chosen.now, offline=True, bundles=_Rehearsed(bundle),
    )  # fmt: skip
    knowledge.open()
    knowledge.prepare(bundle.packages)
    known = [(name, NOBODYS) for name in sorted(bundle.packages)]
    known += sorted(set(knowledge.bytes_of(bundle.packages)))
    for file in (*files, *(one for name, digest in known for one in _any(name, digest))):
        knowledge.evidence(file)


def _any(name: str, digest: str) -> Iterator[File]:
    """Yield a wheel and an sdist of a package as they would be named: names are looked up as files write them."""
    sha256, digests = (NOBODYS, (digest,)) if ":" in digest else (digest, ())
    for filename in (f"{name.replace('-', '_')}-0-py3-none-any.whl", f"{name}-0.tar.gz"):
        yield File(name=name, version="0", filename=filename, url="", index="", sha256=sha256, digests=digests)
