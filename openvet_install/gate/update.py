"""Moving pins: every log of a policy is looked at and verified before anything is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from openvet_install.errors import UsageError
from openvet_install.gate.heads import INSTALL_LOCK, OPENVET_LOCK, client, late
from openvet_install.gate.model import LogStopsError
from openvet_install.gate.together import together
from openvet_install.openvet.pins import Pin, Walked, advance, read_pins, read_walked, write_pins, write_walked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from openvet_install.config import LogSettings
    from openvet_install.http import Fetcher
    from openvet_install.openvet.pins import Advance
    from openvet_install.openvet.store import Store


def move_pins(
    folder: Path,
    logs: dict[str, LogSettings],
    *,
    only: str | None,
    fetcher: Fetcher,
    store: Store,
    now: datetime,
    progress: Callable[[str, int, int], None],
) -> list[Advance]:
    """Look at the logs (or `only` one) at the same time, verify what is new and write the two lock files in `folder`.

    Pins of logs that are no longer configured are dropped unless `only` is given. Raises `LogStopsError` for all logs
    that do not verify or are out of reach, before anything is written. `progress` is called by several threads.
    """
    if only is not None and only not in logs:
        raise UsageError(f"no log `{only}` in the policy", hint=f"known: {', '.join(sorted(logs)) or 'none'}")
    names = [only] if only is not None else sorted(logs)
    while True:
        before = _written(folder)
        look = partial(_look, before, fetcher=fetcher, store=store, now=now, progress=progress)
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


def _look(
    written: tuple[Mapping[str, Pin], Mapping[str, Walked]],
    settings: LogSettings,
    *,
    fetcher: Fetcher,
    store: Store,
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
    warning = late(settings, one.verified.timestamp, now)
    return one if warning is None else one._replace(warnings=(*one.warnings, warning))
