"""Whether a run that had nothing to do leaves a note for `again`, and until when that holds.

None where anything was said to people, where files were decided by more than audits and entries of the policy (those
that end do so at midnight, UTC), and where time could turn an answer before the logs are asked again.
"""

# Paths stay strings, as in `again`.
# ruff: noqa: PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import json
import marshal
import os
import tempfile
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openvet_install.config import Mode
from openvet_install.gate import again, resumed, seals
from openvet_install.gate.heads import late
from openvet_install.gate.model import Outcome
from openvet_install.gate.sealed import write
from openvet_install.installers.projects import Project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.model import Run
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.program import Program

RACY_NS = 50_000_000
"""What was changed so shortly before the run began may be changed once more without another stamp."""
SECOND_NS = 1_000_000_000
"""Some file systems stamp with whole seconds."""
_TEMPORARY = ("openvet-", "tmp")


def consider(plan: Plan, chosen: Setting, result: Run, knowledge: Knowledge) -> None:
    """Say of a run with nothing to do that is over until when its note will hold, if there is to be one."""
    one = again.listening()
    uv = os.path.realpath(plan.program[0])
    if one is not None and _is_plain(plan, chosen) and _is_silent(plan, result) and _is_itself(uv):
        one.until = _until(chosen, knowledge)
        led = [policy.folder / folder for policy in chosen.policies for folder in policy.settings.local_projects]
        for path in (plan.program[0], uv, os.path.dirname(uv), plan.target.prefix / "pyvenv.cfg", *led):
            one.read(str(path))


def leave(program: Program | None = None, extra: tuple[tuple[str, str], ...] | None = ()) -> None:
    """Write the note, if there is to be one.

    `program`: what starts in place of uv. `extra`: what it hangs on beside all that was read, as `again.look` takes it;
    a bare script in place of the script as it is. None: no note.
    """
    one = again.listening()
    again.stop()
    if one is None or one.until is None or one.child is None or extra is None:
        return
    note = {"since": time.time(), "until": one.until, **one.child, "program": None}
    if program is not None:
        from openvet_install.installers.wait import own_environment  # noqa: PLC0415 - for `uv run` only

        note["program"] = (list(program.command), *again.difference(program.environment, own_environment()))
    note["answer"] = _answer(note)
    bare = {path for kind, path in extra if kind == again.BARE}
    # a script has its project there
    around = {key for _kind, path in extra for key in again.above(os.path.dirname(path))}
    seen = one.seen | {key: again.look(*key) for key in (*extra, *around - one.seen.keys())}
    gone = {(again.AT, path) for path in bare}
    note["seen"] = {key: before for key, before in seen.items() if key not in gone and not _is_temporary(*key, before)}
    good = note["answer"] and all(seen[again.BARE, path] is True for path in bare)
    if good and all(_is_still(one.began_ns, key, before) for key, before in note["seen"].items()):
        said = marshal.dumps(note)
        if len(said) < again.MAX_BYTES - seals.SEAL_BYTES:
            with suppress(OSError):
                place = Path(one.place)
                place.parent.mkdir(mode=0o700, exist_ok=True)
                write(place, seals.sealed(one.key, one.about, said))


def _is_plain(plan: Plan, chosen: Setting) -> bool:
    """Tell whether a plan and what decides it hang on nothing but files and the hour."""
    alike = Path(plan.cwd) == Path.cwd() and not (plan.dry_run or plan.alone or plan.resolution or plan.houses)
    settings = [one.settings for one in chosen.judging]
    return (
        alike
        and all(isinstance(word, (str, Project)) for word in plan.argv)
        and not chosen.offline
        and chosen.bundle is None
        and chosen.isolation != "require"
        and Mode.RECORD not in chosen.modes.values()
        and not any(one.publishers or one.carry != "off" or one.heads != "locked" for one in settings)
    )


def _is_itself(uv: str) -> bool:
    """Tell whether a program, links resolved, is uv: what stands in for it may start another one each time."""
    try:
        with open(uv, "rb") as stream:
            return os.path.basename(uv) == "uv" and stream.read(2) != b"#!"
    except OSError:  # it may be run, and not read
        return False


def _is_silent(plan: Plan, result: Run) -> bool:
    """Tell whether there was nothing to say, here or to the user."""
    said = result.warnings or result.troubles or result.strays or result.held_back or plan.dropped or result.said
    return result.outcome is Outcome.ALLOWED and result.exit_code == 0 and result.signal is None and not said


def _until(chosen: Setting, knowledge: Knowledge) -> float | None:
    """Return when a log is to be asked again, is too long not seen, or the day ends, whatever comes first."""
    midnight = datetime.combine(chosen.now.date(), datetime.min.time(), timezone.utc) + timedelta(days=1)
    ends = [midnight]
    by_scope = {one.scope: one.settings for one in chosen.policies}
    for source, newest in knowledge.newest:
        settings = by_scope[source.scope]
        if source.checked is None or source.bundle is not None:
            return None
        ends.append(source.checked + min(settings.check_every, settings.stale_after))
        if late(source.settings, newest, ends[-1]) is not None:
            return None
    return min(ends).timestamp()


def _answer(note: Mapping[str, Any]) -> bytes:
    """Return uv's words, empty unless it says that it has nothing to do."""
    folder = resumed.made(note)
    if folder is None:
        return b""
    try:
        told = resumed.answer(note, folder)
    finally:
        resumed.remove(folder)
    with suppress(ValueError, KeyError, TypeError):
        sync = json.loads(told)["sync"]
        if sync["action"] == "check" and sync["changes"] == []:
            return told
    return b""


def _is_temporary(kind: str, path: str, before: Any) -> bool:
    """Tell whether a file was one of the run's own: it was there, in a folder that is gone with it."""
    top = os.path.relpath(path, tempfile.gettempdir()).partition(os.sep)[0]
    own = kind == again.AT and isinstance(before, tuple) and top.startswith(_TEMPORARY)
    return own and not os.path.lexists(os.path.join(tempfile.gettempdir(), top))


def _is_still(began_ns: int, key: tuple[str, str], before: Any) -> bool:
    """Tell whether something is as it was before it was read, and had been for a while."""
    stamps = [one for _, one in before] if key[0] == again.ALL and isinstance(before, list) else [before]
    changed = (at for one in stamps if isinstance(one, tuple) for at in one[again.CHANGED :][:1])
    return not any(at > began_ns - _racy_ns(at) for at in changed) and again.look(*key) == before


def _racy_ns(changed_ns: int) -> int:
    return RACY_NS if changed_ns % SECOND_NS else 2 * SECOND_NS
