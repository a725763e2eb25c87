"""The two lock files beside a policy, and what `update` writes into them.

`openvet.lock` is OpenVet's own: per log its URL and the pinned head. `openvet-install.lock` holds what
this machine learned: per log the anchor (`operators`) and the head that our own walk verified.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import tomli

from openvet_install.errors import ConfigError, both_sides
from openvet_install.openvet.faults import LogMissingError, short
from openvet_install.openvet.sshsig import parse_fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openvet_install.openvet.log import Log, Progress, Verified

    Read = Callable[[Path, int], bytes | None]

VERSION = 1
"""Of `openvet-install.lock`; OpenVet does not look at that of its own."""
CLOCK_SLACK_SECONDS = 24 * 3600
LOCK_MAX_BYTES = 4 * 1024 * 1024
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_HEAD = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


class Pin(NamedTuple):
    """`[log.NAME]` of `openvet.lock`: the URL as configured and the pinned head, lower-case hex."""

    url: str
    head: str


class Walked(NamedTuple):
    """`[log.NAME]` of `openvet-install.lock`.

    `operators` are the first keys of generation 0, 1, ... as `SHA256:base64`; `walked` is the head that
    our own walk verified, lower-case hex.
    """

    operators: tuple[str, ...]
    walked: str


class Advance(NamedTuple):
    """What a look at one log found, and what to write.

    "first": seen for the first time, write `new` and `verified.operators`. "moved": `new` extends
    `old`, write it. "same": nothing new. "stale": the host serves `served`, an ancestor of what we know;
    keep what is written. `old` is the pin before, None if there was none; `verified` is about `new`.
    """

    name: str
    state: Literal["first", "moved", "same", "stale"]
    old: str | None
    new: str
    verified: Verified
    served: str
    behind: int = 0
    """How many commits `served` lies before `new` ("stale"), within one generation."""
    warnings: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()
    """The operators that nobody had written down beside the pin before: whoever reads this trusts them from now on."""


def advance(
    log: Log, pin: Pin | None, walked: Walked | None, progress: Progress | None = None, *, now: int | None = None
) -> Advance:
    """Look at a log and decide how its pin moves; nothing is written.

    Without `walked` the log is walked from the anchor, and a pin that another program wrote must lie
    on that history. A pin that is not `walked` is walked from there first. `now` (Unix seconds) lets
    heads from the future be named. The mirrors are asked for their heads too: one that is ahead is
    followed, one whose history parts from the log's is a fork. Raises `LogInvalid` (`not-append-only` for a fork),
    `LogMissingError`, `UndecidedError`; then nothing may be written.
    """
    served, told = _furthest(log)
    operators = walked.operators if walked is not None else ()
    if pin is None and walked is None:
        verified = log.verify(served, since=None, operators=(), progress=progress)
        return _result(log, "first", None, verified, served, known=operators, warnings=told, now=now)
    old = pin.head if pin is not None else None
    for known in filter(None, (walked.walked if walked is not None else None, old)):
        if log.relation(served, known) == "forked":
            raise log.fork(served, known)
    base = _known(log, pin, walked, operators, progress)
    relation = log.relation(served, base.head)
    if relation == "stale":
        behind = base.index - log.commit(served).index
        text = f"{log.name}: stale; serves {short(served)}, which is older than {short(base.head)}"
        found = _result(log, "stale", old, base, served, known=operators, warnings=(text, *told), now=now)
        return found._replace(behind=max(behind, 0))
    verified = log.verify(served, since=base.head, operators=base.operators, progress=progress)
    state: Literal["same", "moved"] = "same" if old == served else "moved"
    if now is not None and verified.commits:
        told += tuple(
            f"{log.name}: what came in is signed by {key}, which has expired: its holder may date commits back"
            for key in log.expired(served, base.head, now)
        )
    return _result(log, state, old, verified, served, known=operators, warnings=told, now=now)


def _furthest(log: Log) -> tuple[str, tuple[str, ...]]:
    """Return the head that is furthest along among those of the log and its mirrors, and what to warn of."""
    served = log.served_head()
    told = []
    for where, head, cause in log.mirror_heads():
        try:
            relation = "same" if head is None else log.relation(head, served)
        except LogMissingError as error:
            cause = error.what  # noqa: PLW2901 - a head whose commit nobody has is no head
            relation = "same"
        if cause:
            told.append(f"{log.name}: mirror {where}: {cause}")
        elif relation == "forked" and head is not None:
            raise log.fork_of_mirror(where, head, served)
        elif relation == "extends" and head is not None:
            told.append(f"{log.name}: mirror {where} is ahead of the log itself")
            served = head
    return served, tuple(told)


def _known(
    log: Log, pin: Pin | None, walked: Walked | None, operators: tuple[str, ...], progress: Progress | None
) -> Verified:
    """Return the newest of pin and walked head, verified."""
    if walked is None:
        head = pin.head if pin is not None else ""
        return log.verify(head, since=None, operators=operators, progress=progress)
    base = log.verify(walked.walked, since=walked.walked, operators=operators)
    if pin is None or pin.head == walked.walked:
        return base
    relation = log.relation(pin.head, walked.walked)
    if relation == "forked":
        raise log.fork(pin.head, walked.walked)
    if relation == "stale":
        return base
    return log.verify(pin.head, since=walked.walked, operators=operators, progress=progress)


def _result(
    log: Log,
    state: Literal["first", "moved", "same", "stale"],
    old: str | None,
    verified: Verified,
    served: str,
    *,
    known: tuple[str, ...],
    warnings: tuple[str, ...] = (),
    now: int | None = None,
) -> Advance:
    if now is not None and verified.timestamp > now + CLOCK_SLACK_SECONDS:
        warnings = (*warnings, f"{log.name}: the newest commit is dated in the future")
    if log.generation is not None and verified.generation > log.generation:
        message = log.message(verified.head)
        said = f': "{message}"' if message else ""
        text = f"{log.name}: is at generation {verified.generation}, its URL says gen={log.generation}{said}"
        warnings = (*warnings, text)
    return Advance(
        name=log.name,
        state=state,
        old=old,
        new=verified.head,
        verified=verified,
        served=served,
        warnings=warnings,
        learned=verified.operators[len(known) :],
    )


def read_pins(path: Path, read: Read | None = None) -> dict[str, Pin]:
    """Read `openvet.lock` as OpenVet 0.6 does; a file that is not there holds no pin. Raises `ConfigError`.

    `read` brings the bytes from elsewhere, None for nothing.
    """
    return {
        name: Pin(_text(path, name, table, "url"), _head(path, name, table, "head"))
        for name, table in _logs(path, {"url", "head"}, read).items()
    }


def write_pins(path: Path, pins: Mapping[str, Pin]) -> None:
    """Write `openvet.lock` in one step. Raises `ConfigError`."""
    _write(path, {name: {"url": pin.url, "head": pin.head} for name, pin in pins.items()})


def read_walked(path: Path, read: Read | None = None) -> dict[str, Walked]:
    """Read `openvet-install.lock`; a file that is not there holds nothing. `read` as above. Raises `ConfigError`."""
    found = {}
    for name, table in _logs(path, {"operators", "walked"}, read, VERSION).items():
        operators = table.get("operators")
        if not isinstance(operators, list) or not operators or not all(_is_fingerprint(one) for one in operators):
            raise _error(path, f"log.{name}.operators", "is no list of fingerprints such as `SHA256:…`")
        found[name] = Walked(tuple(operators), _head(path, name, table, "walked"))
    return found


def write_walked(path: Path, walked: Mapping[str, Walked]) -> None:
    """Write `openvet-install.lock` in one step. Raises `ConfigError`."""
    _write(path, {name: {"operators": list(one.operators), "walked": one.walked} for name, one in walked.items()})


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and parse_fingerprint(value) is not None


def _error(path: Path, key: str, what: str) -> ConfigError:
    return ConfigError(f"`{key}` {what}", where=str(path))


def _bytes(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is never waited for
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ConfigError("no ordinary file", where=str(path))
            return file.read(LOCK_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _logs(path: Path, allowed: set[str], read: Read | None, newest: float = math.inf) -> dict[str, dict[str, Any]]:
    raw = _bytes(path) if read is None else read(path, LOCK_MAX_BYTES)
    if raw is None:
        return {}
    text = ""
    try:
        text = raw.decode("utf-8-sig") if len(raw) <= LOCK_MAX_BYTES else ""
        table = tomli.loads(text)
    except (ValueError, RecursionError) as error:
        hint = both_sides(text)
        then = None if hint is None else f"{hint}, then openvet-install update"
        raise ConfigError(f"not TOML: {error}", where=str(path), hint=then) from error
    version = table.pop("version", None)
    if not isinstance(version, int) or isinstance(version, bool):
        raise _error(path, "version", "is missing or no whole number")
    if version > newest:
        hint = "a newer openvet-install wrote it: use that one"
        raise ConfigError(f"`version` is {version}, known are those up to {newest}", where=str(path), hint=hint)
    logs = table.pop("log", {})
    if table or not isinstance(logs, dict):
        raise _error(path, next(iter(table), "log"), "is not known here")
    for name, one in logs.items():
        if not isinstance(one, dict) or one.keys() - allowed:
            raise _error(path, f"log.{name}", f"may hold {' and '.join(sorted(allowed))} only")
    return logs


def _text(path: Path, name: str, table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise _error(path, f"log.{name}.{key}", "is missing or no text")
    return value


def _head(path: Path, name: str, table: dict[str, Any], key: str) -> str:
    value = _text(path, name, table, key)
    if _HEAD.fullmatch(value) is None:
        raise _error(path, f"log.{name}.{key}", "is no head of a log: 64 hexadecimal digits")
    return value.lower()


def _write(path: Path, logs: Mapping[str, Mapping[str, object]]) -> None:
    lines = ["# written by openvet-install update; commit this file", f"version = {VERSION}"]
    for name, table in sorted(logs.items()):
        lines += ["", f"[log.{name if _BARE.fullmatch(name) else _quoted(name)}]"]
        lines += [f"{key} = {_value(value)}" for key, value in table.items()]
    try:
        _replace(Path(os.path.realpath(path)), "\n".join(lines) + "\n")  # a link stays one
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _replace(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o664 & ~_umask()
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _value(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_quoted(one) for one in value) + "]"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string except for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
