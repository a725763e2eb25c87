"""What `uv pip compile` has written, judged for its target and only then given to the user (threats T03, T20)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from openvet_install.decide import Action, Decision, Reason, ReasonClass
from openvet_install.errors import EXIT_OK, ConfigError
from openvet_install.files import File
from openvet_install.gate import locked
from openvet_install.gate.outcome import Fit
from openvet_install.gate.resolving import Resolver
from openvet_install.installers.disk import replace_file
from openvet_install.installers.requirements import pins_in

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from openvet_install.gate.keeper import Keeper
    from openvet_install.gate.model import Run
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.mirror import Written
    from openvet_install.installers.uv_compile import Compiled

_CLASSES = list(ReasonClass)


def tell(result: Run, plan: Plan, keeper: Keeper, written: Written | None) -> dict[str, Decision]:
    """Judge what the tool has written, and fill `result`; return the decisions about what the target gets, by name.

    Raises what reading a lock raises, and what the logs raise.
    """
    compiled = plan.compiled
    if compiled is None or written is None or not isinstance(keeper, Resolver):
        return {}
    if result.tool is None or result.tool.exit != EXIT_OK:
        return {}
    raw = written.file if compiled.output is not None else written.said
    text = (raw or b"").decode()
    judge = _judge_lock if compiled.pylock else _judge_pins
    return judge(result, plan, compiled, keeper, text)


def deliver(result: Run, plan: Plan, written: Written | None) -> None:
    """Give the user what was written, if all went well. Raises `ConfigError` for a file that cannot be written."""
    if plan.compiled is None or written is None or result.exit_code != EXIT_OK:
        return
    result.said = written.said
    if plan.compiled.output is None or written.file is None:
        return
    place = Path(os.path.realpath(plan.compiled.output))
    try:
        if place.exists() and not place.is_file():
            place.write_bytes(written.file)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, written.file, mode=0o666 & ~_mask())
    except OSError as error:
        raise ConfigError(f"`{place}` cannot be written: {error.strerror}", where=str(place)) from error


def _mask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found


def _judge_pins(result: Run, plan: Plan, compiled: Compiled, keeper: Resolver, text: str) -> dict[str, Decision]:
    """Judge a file of requirements: for one platform every line counts, else those that count here."""
    fits = Fit.of(plan.target)
    chosen: dict[str, Decision] = {}
    elsewhere: list[str] = []
    good = True
    for requirement, _line in pins_in(text):
        name = str(canonicalize_name(requirement.name))
        if compiled.universal and not _counts(requirement, plan):
            elsewhere.append(f"{name} ({requirement.marker})")
            continue
        listed = [one for one in keeper.decisions().get(name, ()) if _is_of(one.file, requirement)]
        fitting = [one for one in listed if fits(one.file)]
        if compiled.universal and listed and not fitting:
            elsewhere.append(f"{name} (no file of it is for this platform)")
            continue
        shown = [one for one in fitting if one.shown]
        if shown:
            chosen[name] = min(shown, key=lambda one: (one.file.is_sdist, _rank(one.file, keeper)))
            continue
        good = False
        gravest = max(fitting or listed, key=lambda one: _CLASSES.index(one.reason.klass), default=None)
        keeper.refuse_local(gravest if gravest is not None and not gravest.shown else _unknown(name, requirement))
    result.unfit = not good
    result.lock = _name(compiled)
    result.locked = len(list(pins_in(text)))
    result.not_judged_here = tuple(elsewhere)
    return chosen


def _judge_lock(result: Run, plan: Plan, compiled: Compiled, keeper: Resolver, text: str) -> dict[str, Decision]:
    from packaging.tags import Tag  # noqa: PLC0415 - for locks only

    from openvet_install.installers.locks import Wanted, parse_lock, select  # noqa: PLC0415 - as above
    from openvet_install.installers.uv_sync import Locked  # noqa: PLC0415 - as above

    lock = parse_lock(text, Path(compiled.output or Path(plan.cwd, "pylock.toml")), "pylock")
    selection = select(lock, [Tag(*one.split("-")) for one in plan.target.tags], plan.target.environment, Wanted())
    result.unfit = not locked.admit(Locked(lock=lock, selection=selection, base=None), keeper)
    result.lock, result.locked = _name(compiled), len({one.package.name for one in selection.files})
    result.not_judged_here = tuple(f"{one.name} ({one.why})" for one in selection.not_here)
    hashes = {one.file.sha256 for one in selection.files}
    judged = [one for some in keeper.decisions().values() for one in some if one.file.sha256 in hashes]
    return {one.file.name: one for one in judged}


def _name(compiled: Compiled) -> str:
    return Path(compiled.output).name if compiled.output is not None else "output"


def _counts(requirement: Requirement, plan: Plan) -> bool:
    if requirement.marker is None:
        return True
    return requirement.marker.evaluate({**plan.target.environment, "extra": ""})


def _is_of(file: File, requirement: Requirement) -> bool:
    versions = [one.version for one in requirement.specifier]
    try:
        return any(Version(file.version) == Version(one) for one in versions)
    except InvalidVersion:
        return file.version in versions


def _rank(file: File, keeper: Resolver) -> int:
    return keeper.rank(file) if file.is_wheel else 0


def _unknown(name: str, requirement: Requirement) -> Decision:
    """Refuse a release of which no page has told us."""
    version = next(iter(requirement.specifier)).version
    filename = f"{name.replace('-', '_')}-{version}.tar.gz"
    file = File(name=name, version=version, filename=filename, url=f"unknown:{filename}", index="")
    return Decision(file=file, action=Action.BLOCK, reason=Reason.UNAUDITED, detail="no index was asked for it")
