"""Moving pins: every log of a policy is looked at and verified before anything is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from openvet_install.errors import InvalidError, UndecidedError, UsageError
from openvet_install.gate.heads import INSTALL_LOCK, OPENVET_LOCK, client, late
from openvet_install.gate.model import LogStopsError
from openvet_install.gate.together import together
from openvet_install.openvet.pins import Pin, Walked, advance, read_pins, read_walked, write_pins, write_walked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from openvet_install.config import LogSettings
    from openvet_install.gate.state import Looks
    from openvet_install.http import Fetcher
    from openvet_install.openvet.log import Log
    from openvet_install.openvet.pins import Advance
    from openvet_install.openvet.store import Store


def move_pins(
    folder: Path,
    logs: dict[str, LogSettings],
    *,
    only: str | None,
    fetcher: Fetcher,
    store: Store,
    looks: Looks,
    now: datetime,
    progress: Callable[[str, int, int], None],
) -> list[Advance]:
    """Look at the logs (or `only` one) at the same time, verify what is new and write the two lock files in `folder`.

    Pins of logs that are no longer configured are dropped unless `only` is given. Raises `LogStopsError` for all logs
    that do not verify, part from what `looks` know or are out of reach, before anything is written. `progress` is
    called by several threads.
    """
    if only is not None and only not in logs:
        raise UsageError(f"no log `{only}` in the policy", hint=f"known: {', '.join(sorted(logs)) or 'none'}")
    names = [only] if only is not None else sorted(logs)
    while True:
        before = _written(folder)
        known = _named_anew(before, logs)
        look = partial(_look, known, fetcher=fetcher, store=store, looks=looks, now=now, progress=progress)
        found, failed = together(look, [logs[name] for name in names])
        if failed:
            raise LogStopsError((settings.name, error) for settings, error in failed)
        if _written(folder) == before:  # else another `update` has moved pins meanwhile, which must not move back
            break
    pins = {name: pin for name, pin in before[0].items() if only is not None or name in logs}
    walked = {name: one for name, one in before[1].items() if only is not None or name in logs}
    pins |= {settings.name: Pin(settings.url, one.new) for settings, one in found}
    walked |= {settings.name: Walked(one.verified.operators, one.new) for settings, one in found}
    # The walked head goes first: a pin behind it is fine, a pin beyond it would have to be walked again.
    if walked != before[1]:
        write_walked(folder / INSTALL_LOCK, walked)
    if pins != before[0]:
        write_pins(folder / OPENVET_LOCK, pins)
    return [one for _, one in found]


def _written(folder: Path) -> tuple[Mapping[str, Pin], Mapping[str, Walked]]:
    return read_pins(folder / OPENVET_LOCK), read_walked(folder / INSTALL_LOCK)


def _named_anew(
    written: tuple[Mapping[str, Pin], Mapping[str, Walked]], logs: Mapping[str, LogSettings]
) -> tuple[Mapping[str, Pin], Mapping[str, Walked]]:
    """Add what is written of a log that the policy has under another name now: it is no first sight (threat T65)."""
    pins, walked = dict(written[0]), dict(written[1])
    old = {pin.url: name for name, pin in pins.items() if name not in logs and name in walked}
    for name, settings in logs.items():
        if name not in pins and name not in walked and settings.url in old:
            pins[name], walked[name] = pins[old[settings.url]], walked[old[settings.url]]
    return pins, walked


def _look(
    written: tuple[Mapping[str, Pin], Mapping[str, Walked]],
    settings: LogSettings,
    *,
    fetcher: Fetcher,
    store: Store,
    looks: Looks,
    now: datetime,
    progress: Callable[[str, int, int], None],
) -> Advance:
    name = settings.name
    pin, walked = written[0].get(name), written[1].get(name)
    if pin is not None and pin.url != settings.url:
        # Another URL is another place, not another log: the anchor must still hold there.
        pin = None
    log = client(settings, settings.operators, fetcher, store)
    one = advance(log, pin, walked, partial(progress, name), now=int(now.timestamp()))
    if pin is not None:
        _refuse_fork(log, pin.head, one, looks)
    warning = late(settings, one.verified.timestamp, now)
    return one if warning is None else one._replace(warnings=(*one.warnings, warning))


def _refuse_fork(log: Log, pin: str, one: Advance, looks: Looks) -> None:
    """Refuse a head that parts from one which this machine has seen beyond the pin (threat T66).

    Of looks from other pins those count that can be verified from this one.
    """
    for look in looks.of(log.url):
        try:
            if log.relation(look.newest, pin) != "extends" or log.relation(look.newest, one.new) != "forked":
                continue
            if look.pin != pin:
                log.verify(look.newest, since=pin, operators=one.verified.operators)
        except (InvalidError, UndecidedError):
            continue
        raise looks.forgettable(log.fork_seen(one.new, look.newest))
