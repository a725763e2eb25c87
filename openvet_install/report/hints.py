"""What a person could do about the releases that are in the way: lines that can be pasted."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.decide import Reason
from openvet_install.report import findings
from openvet_install.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from openvet_install.decide import Decision
    from openvet_install.gate.model import Judged


class Hint(NamedTuple):
    """A command, and which kind of help it is."""

    kind: str
    line: str


def about(told: Sequence[Judged], instead: str | None) -> Iterator[Hint]:
    """Give what could be done about releases; `instead` is the command that takes an older one."""
    for decision in (one.decision for one in told):
        release = shlex.quote(f"{decision.file.name}=={decision.file.version}")
        if decision.reason is Reason.NO_REQUIREMENTS:
            yield Hint("require", findings.REQUIRE)
            continue
        if decision.reason not in (Reason.UNAUDITED, Reason.NOT_ASSERTED):
            yield Hint("explain", f"openvet-install explain {release}")
            continue
        yield Hint("audit", f"openvet audit new {shlex.quote(plain(str(decision.file.coordinate), 1000))}")
        if instead is not None:
            yield Hint("pin", instead)
        else:
            yield Hint("exempt", f"openvet-install exempt {release} --until 14d --reason '…'")


def first_of_each(hints: Iterable[Hint]) -> Iterator[str]:
    """Give the first line of each kind, in their order."""
    kinds: set[str] = set()
    for one in hints:
        if one.kind not in kinds:
            yield one.line
        kinds.add(one.kind)


def pinning(command: Sequence[str], old: Decision) -> str:
    """Return the command with the old release pinned: an exact pin is no silent fall."""
    words = [word for word in command[1:3] if word in ("pip", "install", "add")]
    return " ".join([f"openvet-{command[0]}", *words, shlex.quote(f"{old.file.name}=={old.file.version}")])
