"""Moving pins: every log of a policy is looked at and verified before anything is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from openvet_install.errors import InvalidError, UndecidedError, UsageError
from openvet_install.gate.heads import INSTALL_LOCK, OPENVET_LOCK, client, late
from openvet_install.gate.model import LogStopsError
from openvet_install.openvet.pins import Pin, Walked, advance, read_pins, read_walked, write_pins, write_walked

if TYPE_CHECKING:
    from collections.abc import Callable
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
    """Look at the logs (or `only` one), verify what is new and write the two lock files in `folder`.

    Pins of logs that are no longer configured are dropped unless `only` is given. Raises what
    verification raises, before anything is written.
    """
    if only is not None and only not in logs:
        raise UsageError(f"no log `{only}` in the policy", hint=f"known: {', '.join(sorted(logs)) or 'none'}")
    pins, walked = read_pins(folder / OPENVET_LOCK), read_walked(folder / INSTALL_LOCK)
    before = dict(pins), dict(walked)
    found = []
    for name in [only] if only is not None else sorted(logs):
        settings = logs[name]
        pin, seen = pins.get(name), walked.get(name)
        if pin is not None and pin.url != settings.url:
            # Another URL is another place, not another log: the anchor must still hold there.
            pin = None
        log = client(settings, settings.operators, fetcher, store)
        try:
            one = advance(log, pin, seen, partial(progress, name), now=int(now.timestamp()))
        except (InvalidError, UndecidedError) as error:
            raise LogStopsError(name, error) from error
        if warning := late(settings, one.verified.timestamp, now):
            one = one._replace(warnings=(*one.warnings, warning))
        pins[name] = Pin(settings.url, one.new)
        walked[name] = Walked(one.verified.operators, one.new)
        found.append(one)
    if only is None:
        pins = {name: pin for name, pin in pins.items() if name in logs}
        walked = {name: one for name, one in walked.items() if name in logs}
    # The walked head goes first: a pin behind it is fine, a pin beyond it would have to be walked again.
    if walked != before[1]:
        write_walked(folder / INSTALL_LOCK, walked)
    if pins != before[0]:
        write_pins(folder / OPENVET_LOCK, pins)
    return found
