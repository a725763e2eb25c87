"""`uv sync` where uv says that nothing is to be done: judged like any other, and started with nothing to take from.

There is no gateway, no network and a cache with nothing but what uv noted of interpreters, so that what lies in the
environment needs no stamp of each file; that nothing was installed all the same is seen by its folders.
"""

from __future__ import annotations

import importlib
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from openvet_install.gate import again, locked
from openvet_install.gate.child import start, variables_of
from openvet_install.gate.keepers import wanted_of
from openvet_install.gate.model import Stray
from openvet_install.gate.opening import note_end, seen_by
from openvet_install.gateway.blobs import private_folder as own_folder
from openvet_install.installers import disk
from openvet_install.installers.commands import private_folder
from openvet_install.installers.disk import Places

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openvet_install.gate.keeper import Keeper
    from openvet_install.gate.model import Run
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.sandbox import Ended, Sandbox

NOWHERE = "http://127.0.0.1:0"
"""The proxy of a child that is to reach nothing: there is no such port."""
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def run(plan: Plan, chosen: Setting, result: Run, *, keeper: Keeper, sandbox: Sandbox, every: bool) -> None:
    """Judge the lock of a plan that is `idle`, start uv if all is well, and note what it came to."""
    if plan.locked is None or plan.locked.idle is None:
        raise ValueError("there is something to do")
    if sandbox.listener is not None:
        sandbox.listener.close()  # nothing listens in the child's network either
    places = Places.of(plan.target)
    before = disk.tops(places)
    ended = None
    with private_folder() as folder:
        with locked.listing(plan) as listed:
            good = locked.admit(plan.locked, keeper, listed)
        if good:
            threading.Thread(target=_load, daemon=True).start()
            ended = _start(result, plan, plan.locked.idle, sandbox, folder)
    from openvet_install.gate.forgiven import account  # noqa: PLC0415 - not before the tool starts
    from openvet_install.gate.outcome import Fit, conclude  # noqa: PLC0415 - as above

    after = disk.tops(places)
    note_end(result, plan, ended, turned_away={}, digest=every)
    moved = sorted(path for path in before.keys() | after.keys() if before.get(path, "") != after.get(path, ""))
    result.strays = list(map(_stray, moved))
    result.nothing_changed = not result.strays
    result.preinstalled = sum(1 for path in after if path.endswith(".dist-info"))
    if every or ended is None or ended.code:
        keeper.read_all()
    conclude(result, seen_by(keeper, [], []), wanted_of(plan, keeper.read()), Fit.of_run(plan), {}, every=every)
    locked.tell_places(result, plan)
    account(result, chosen)


def _start(result: Run, plan: Plan, noted: Mapping[str, bytes], sandbox: Sandbox, folder: Path) -> Ended:
    cache = folder / "uv"
    own_folder(cache)
    for path, content in noted.items():
        cache.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        cache.joinpath(path).write_bytes(content)
    variables = variables_of(plan, folder, url=NOWHERE, bundle=folder / "none.pem", cache=cache) | {"UV_OFFLINE": "1"}
    for name in _TRUST:  # uv would warn of certificates that are not there
        del variables[name]
    if (listening := again.listening()) is not None:
        listening.started(str(folder), plan.command(folder), variables)
    return start(result, plan, sandbox, variables, folder)


def _load() -> None:
    """Import what the end of the run needs, while uv works."""
    with suppress(ImportError):  # it shows again, and is told, where it is needed
        importlib.import_module("openvet_install.gate.outcome")
        importlib.import_module("openvet_install.gate.forgiven")


def _stray(path: str) -> Stray:
    text = f"`{os.path.basename(path)}` changed although nothing was to be done"  # noqa: PTH119 - a path as it is
    return Stray(name="", version=None, path=path, reason="unexpected-file", text=text)
