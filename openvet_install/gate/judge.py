"""Judging without installing: the locks of a project for one target, and single releases."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.decide import Action, Decision, ReasonClass
from openvet_install.errors import EXIT_BLOCKED, EXIT_INVALID, EXIT_OK
from openvet_install.gate.browse import Place
from openvet_install.gate.forgiven import account
from openvet_install.gate.hashed import applies, read_whole, release_of
from openvet_install.gate.hashed import judge as judge_hashed
from openvet_install.gate.local import hashed, mismatch
from openvet_install.gate.locked import refused_entry
from openvet_install.gate.model import Judged, LogStopsError, Outcome, Run, Spot
from openvet_install.gate.opening import knowledge_of, stopped
from openvet_install.gate.projects import is_ours
from openvet_install.gate.state import usable_folders
from openvet_install.installers.lock_archives import is_here, source_of, with_archives
from openvet_install.installers.locks import LockedPackage, Source, all_files, kind_of, read_lock
from openvet_install.installers.uv_beside import environments, taken, with_config
from openvet_install.settle import settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from openvet_install.config import PolicyFile
    from openvet_install.files import File
    from openvet_install.gate.deciding import Deciding
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.locks import Chosen, Lock
    from openvet_install.installers.projects import Project
    from openvet_install.installers.target import Target


def check(
    paths: Sequence[Path],
    chosen: Setting,
    target: Target,
    environ: Mapping[str, str],
    *,
    every_file: bool = False,
) -> Run:
    """Judge what `target` would install from each lock, or every file of every platform.

    Raises `UsageError`, `InvalidError` or `ConfigError` for a lock that cannot be read.
    """
    result = Run(
        command=["check", *(path.name for path in paths)],
        started=chosen.now,
        mode=chosen.mode.value,
        target=str(target.prefix),
        policies=chosen.seen(),
        environment=chosen.environment,
        warnings=list(chosen.warnings),
    )
    locks = [with_config(read_lock(path), environ) for path in paths if not is_requirements(path)]
    of_hashes = [(path, *read_whole(path, environ)) for path in paths if is_requirements(path)]
    with ExitStack() as stack:
        try:
            folders = stack.enter_context(usable_folders(environ, result.warnings))
            knowledge = knowledge_of(chosen, environ, folders, stack)
            result.logs = knowledge.logs
            result.warnings += [*knowledge.warnings, *knowledge.ahead(chosen.now)]
            deciding = Place(environ, folders, stack).deciding(knowledge, chosen)
            for lock in locks:
                judged = decisions(lock, knowledge, deciding, target, chosen.policies, every_file=every_file)
                for one in (*judged.files, *judged.direct):
                    _add(result, one)
                result.skipped += judged.skipped
                result.not_judged_here += judged.not_here
            for path, requested, projects in of_hashes:
                markers = environments(path, target, environ)
                here = [line for line in requested if every_file or any(applies(line, one) for one in markers)]
                knowledge.prepare(release_of(line)[0] for line in here)
                for line in here:
                    _add(result, judge_hashed(path, line, knowledge, deciding))
                foreign = [one for one in projects if not is_ours(Path(one.path), path.parent, chosen.policies)]
                result.withheld += (_folder(path, one) for one in foreign)
                result.skipped += len(projects) - len(foreign)
                result.not_judged_here += tuple(release_of(line)[0] for line in requested if line not in here)
        except LogStopsError as error:
            return stopped(result, error)
    conclude(result)
    account(result, chosen)
    return result


def is_requirements(path: Path) -> bool:
    """Tell by its name whether a file is a requirements file rather than a lock."""
    return path.suffix in (".txt", ".in") and kind_of(path) is None


def judge_files(files: Iterable[File], deciding: Deciding, exact: frozenset[str]) -> list[Decision]:
    """Decide about files of one package, with what only shows over all of them."""
    return settle(deciding(files, exact), deciding.rules, exact)


class Judgement(NamedTuple):
    """The decisions about one lock: files, repositories and the like, and what was not looked at."""

    files: tuple[Judged, ...]
    direct: tuple[Judged, ...]
    skipped: int
    not_here: tuple[str, ...]


def decisions(
    lock: Lock,
    knowledge: Knowledge,
    deciding: Deciding,
    target: Target,
    policies: Sequence[PolicyFile],
    *,
    every_file: bool = False,
) -> Judgement:
    """Decide about what `target` would install from a lock, or about every file of every platform."""
    not_here: tuple[str, ...] = ()
    if every_file:
        files = all_files(lock)
        direct = tuple(one for one in lock.packages if one.source.kind != "registry" and not one.is_archive_here)
    else:
        selection = with_archives(lock, taken(lock, target))
        files, direct = selection.files, selection.direct
        not_here = tuple(f"{one.name} ({one.why})" for one in selection.not_here)
    knowledge.prepare(one.file.name for one in files)
    judged = []
    said = deciding.aged(deciding([_file(lock, one, deciding) for one in files]))
    for one, decided in zip(files, said, strict=True):
        (settled,) = settle([decided], deciding.rules, frozenset({one.file.version}))
        decision = mismatch(settled.file, one.file.sha256) or settled
        if one.file.url in lock.loose and not is_here(lock, one.file) and decision.reason.klass is ReasonClass.FINE:
            # the bytes may be those of another hash, and here there are none to look at
            (decision,) = judge_files([replace(decision.file, sha256=None)], deciding, frozenset({one.file.version}))
        judged.append(
            Judged(decision=decision, route=(*one.via,), place=lock.where(one.package), spot=_spot(lock, one.package))
        )
    foreign = [one for one in direct if not (one.is_local and _is_ours(one, lock, policies))]
    return Judgement(
        files=tuple(judged),
        direct=tuple(
            Judged(decision=refused_entry(one, *one.source), place=lock.where(one), spot=_spot(lock, one))
            for one in foreign
        ),
        skipped=len(direct) - len(foreign),
        not_here=not_here,
    )


def _file(lock: Lock, chosen: Chosen, deciding: Deciding) -> File:
    """Return what is judged."""
    if is_here(lock, chosen.file):
        return hashed(source_of(lock, chosen).path or "")
    return deciding.looked_up(chosen.file)


def _is_ours(package: LockedPackage, lock: Lock, policies: Sequence[PolicyFile]) -> bool:
    """Tell whether a folder of a lock may be installed as it is; of a virtual one nothing is installed."""
    if package.source.kind == "virtual":
        return True
    try:
        return is_ours(lock.path.parent / package.source.location, lock.path.parent, policies)
    except ValueError:  # a NUL
        return False


def _folder(path: Path, project: Project) -> Judged:
    """Refuse a folder of a requirements file; it is called what it says, or like its last part."""
    named, _, line = project.origin.rpartition(":")
    base = re.sub(r"[^a-z0-9]+", "-", Path(project.path).name.lower()).strip("-")
    package = LockedPackage(name=project.name or base or "folder", version="", line=None, source=Source("unknown"))
    decision = refused_entry(package, "directory", project.path)
    return Judged(decision=decision, place=project.origin, spot=Spot(str(path.parent / named), int(line)))


def _spot(lock: Lock, package: LockedPackage) -> Spot:
    return Spot(str(lock.path), package.line)


def _add(result: Run, judged: Judged) -> None:
    (result.files if judged.decision.shown else result.withheld).append(judged)


def conclude(result: Run) -> None:
    """Say how a check ends, from what was judged."""
    if any(one.decision.reason.klass is ReasonClass.BROKEN for one in result.withheld):
        result.outcome, result.exit_code = Outcome.INVALID, EXIT_INVALID
    elif result.withheld:
        result.outcome, result.exit_code = Outcome.BLOCKED, EXIT_BLOCKED
    elif any(one.decision.action is Action.WARN for one in result.files):
        result.outcome, result.exit_code = Outcome.WARNED, EXIT_OK
    else:
        result.outcome, result.exit_code = Outcome.ALLOWED, EXIT_OK
