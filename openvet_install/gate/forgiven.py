"""What exemptions and the baseline did in a run, and which of their entries end soon or serve nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.gate.model import Ending, Spot

if TYPE_CHECKING:
    from datetime import date

    from openvet_install.config.baseline import Known
    from openvet_install.config.model import Exemption, PolicyFile
    from openvet_install.gate.model import Run
    from openvet_install.gate.setting import Setting

EXEMPTION_DAYS = 14
BASELINE_DAYS = 42


def account(result: Run, chosen: Setting) -> None:
    """Fill what the `Run` says of exemptions and baseline."""
    decisions = [one.decision for one in result.files]
    exemptions = {one.exemption.where: one.exemption for one in decisions if one.exemption is not None}
    known = {one.known.where: one.known for one in decisions if one.known is not None}
    every = [one for policy in chosen.policies for one in policy.settings.exemptions]
    today = chosen.now.date()
    result.exemptions_used = len(exemptions)
    result.exemptions_unused = tuple(one.where for one in every if one.where not in exemptions)
    result.baseline_used = sum(one.known is not None for one in decisions)
    ending = [one for one in exemptions.values() if (one.until - today).days <= EXEMPTION_DAYS]
    result.exemptions_ending = tuple(one.where for one in ending)
    soon = [one for one in known.values() if (one.until - today).days <= BASELINE_DAYS]
    found = [_ending("exempt", one, today, chosen.policies) for one in ending]
    found += [_ending("baseline", one, today, chosen.policies) for one in soon]
    result.endings = tuple(sorted(found, key=lambda one: (one.until, one.release)))


def _ending(kind: str, one: Exemption | Known, today: date, policies: tuple[PolicyFile, ...]) -> Ending:
    release = f"{one.package} {one.version}" if one.version else one.package
    name, _, line = one.where.rpartition(":")
    project = next((each for each in policies if each.scope == "project"), None)
    if project is not None and project.files is not None:
        name = name.removeprefix(f"{project.files.name}:")
    path = str(project.folder / name) if project is not None else name
    spot = Spot(path, int(line)) if line.isdecimal() else Spot(one.where)
    return Ending(kind=kind, release=release, until=one.until, days=(one.until - today).days, spot=spot)
