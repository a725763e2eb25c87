"""A lock as OpenVet itself reads it: one subject per artefact, and what is skipped (protocol, section 13).

This is what `openvet check` asks audits for. It differs from what a target installs in three ways: every
platform counts, every algorithm of a hash is a subject of its own, and nothing is normalised.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.installers.locks_values import Entry, LockError, load_toml
from openvet_install.openvet.subject import PYPI, Subject, SubjectError, TaggedHash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_WHEEL_PARTS = 5


class Skipped(NamedTuple):
    """An entry without a subject; `reason` is path, git, unknown-source, bad-checksum or no-checksum."""

    name: str
    version: str
    reason: str
    detail: str | None = None


class LockSubjects(NamedTuple):
    """Subjects in the order of their text, without repetition, and the skipped entries."""

    subjects: tuple[Subject, ...]
    skipped: tuple[Skipped, ...]


def subjects(text: str, kind: str, path: Path = Path("lock")) -> LockSubjects:
    """Read a lock of the kind `uv` or `pylock`; `path` only names it in messages.

    Raises `LockError` for text that is not TOML, another version of the format or another kind.
    """
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        raise LockError(f"unknown kind of lock: `{kind}`", where=path.name, hint="`uv` and `pylock` are read")
    found: set[Subject] = set()
    skipped: list[Skipped] = []
    for one in adapter(Entry(load_toml(text, path), path)):
        if isinstance(one, Subject):
            found.add(one)
        else:
            skipped.append(one)
    return LockSubjects(tuple(sorted(found, key=str)), tuple(sorted(skipped, key=_order)))


def _order(skipped: Skipped) -> tuple[str, str, str, str]:
    return skipped.name, skipped.version, skipped.reason, skipped.detail or ""


def _uv(top: Entry) -> Iterator[Subject | Skipped]:
    version = top.get("version", int)
    if version != 1:
        raise LockError(f"uv.lock version {version} is not supported, 1 is", where=top.path.name)
    for entry in top.tables("package"):
        name, version_of = entry.text("name"), entry.get("version", str) or ""
        reason, detail = _uv_skip(entry)
        if reason is not None:
            yield Skipped(name, version_of, reason, detail)
            continue
        yield from _hashed(name, version_of, list(_uv_artefacts(entry)))


def _uv_skip(entry: Entry) -> tuple[str | None, str | None]:
    source = entry.get("source", dict)
    if source is None or any(key in source for key in ("path", "editable", "virtual")):
        return "path", None
    if "git" in source:
        return "git", str(source["git"])
    if "registry" in source:
        return None, None
    return "unknown-source", str(source.get("url", "(no source key)"))


def _uv_artefacts(entry: Entry) -> Iterator[tuple[str | None, str]]:
    sdist = entry.get("sdist", dict)
    if sdist is not None and "hash" in sdist:
        yield "sdist", str(sdist["hash"])
    for wheel in entry.tables("wheels"):
        tagged = wheel.get("hash", str)
        if tagged is not None:
            yield _wheel_variant(wheel.get("url", str)), tagged


def _pylock(top: Entry) -> Iterator[Subject | Skipped]:
    version = top.text("lock-version")
    if version != "1.0":
        raise LockError(f'lock-version "{version}" is not supported, "1.0" is', where=top.path.name)
    for entry in top.tables("packages"):
        name, version_of = entry.text("name"), entry.get("version", str) or ""
        vcs = entry.get("vcs", dict)
        if vcs is not None:
            yield Skipped(name, version_of, "git", str(vcs.get("url") or vcs.get("path") or "") or None)
        elif entry.get("directory", dict) is not None:
            yield Skipped(name, version_of, "path")
        else:
            yield from _hashed(name, version_of, list(_pylock_artefacts(entry)))


def _pylock_artefacts(entry: Entry) -> Iterator[tuple[str | None, str]]:
    for variant in ("sdist", "archive"):
        table: dict[str, Any] | None = entry.get(variant, dict)
        if table is not None:
            yield from ((variant, tagged) for tagged in _tagged(table))
    for wheel in entry.tables("wheels"):
        yield from ((_wheel_variant(wheel.get("url", str)), tagged) for tagged in _tagged(wheel.table))


def _tagged(table: Mapping[str, Any]) -> list[str]:
    hashes = table.get("hashes")
    return [f"{name}:{digest}" for name, digest in hashes.items()] if isinstance(hashes, dict) else []


def _hashed(name: str, version: str, artefacts: list[tuple[str | None, str]]) -> Iterator[Subject | Skipped]:
    good = 0
    for variant, tagged in artefacts:
        try:
            digest = TaggedHash.parse(tagged)
        except SubjectError:
            yield Skipped(name, version, "bad-checksum", tagged)
            continue
        good += 1
        yield Subject(PYPI, name, version, variant, digest)
    if not good:
        yield Skipped(name, version, "no-checksum")


def _wheel_variant(url: str | None) -> str | None:
    stem, whl, rest = (url or "").rpartition("/")[2].rpartition(".whl")
    parts = stem.split("-")
    return "-".join(parts[-3:]) if whl and not rest and len(parts) >= _WHEEL_PARTS else None


_ADAPTERS: dict[str, Callable[[Entry], Iterator[Subject | Skipped]]] = {"uv": _uv, "pylock": _pylock}
