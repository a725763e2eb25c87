"""`--script` of `uv lock`, `add`, `remove`, `export`, `tree` and `sync`: scripts and the locks beside them (T03, T19).

uv works in a mirror, so a script is read once; its lock, and the script itself, are replaced after they were judged.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH110, PTH113, PTH118

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import DirectReferenceError, UsageError
from openvet_install.installers import headers, scripts, uv_compile, uv_isolation, uv_probe, uv_resolve, uv_sync
from openvet_install.installers.commands import (
    CONSTRAINTS,
    REQUIREMENTS,
    Making,
    Plan,
    private_folder,
    requested_of,
    without_login,
)
from openvet_install.installers.locks import parse_lock, read_text, select_for
from openvet_install.installers.mirror import LOCK, NOTHING, SHOWN, Compiled, Mirror, Mirrored, check_depth
from openvet_install.installers.passing import GATED, Command, flag_table
from openvet_install.installers.requirements import MAX_FILE_BYTES, Reader, is_http
from openvet_install.installers.sources import mirrored
from openvet_install.installers.starting import request
from openvet_install.installers.target import (
    ToolStops,
    ask,
    find_python,
    inspect,
    still_missing,
    uv_version,
)
from openvet_install.installers.tokens import Token, has, last_of, values_of
from openvet_install.installers.uv_around import handed_on, look_around
from openvet_install.installers.uv_compile_inputs import Inputs
from openvet_install.installers.uv_sources import refuse_constraints
from openvet_install.installers.uv_sync import Locked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.commands import Index, Requested
    from openvet_install.installers.locks import Lock
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.scripts import Script
    from openvet_install.installers.sources import Links
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_around import Around

_EDIT = (("add",), ("remove",))


class Scripted(NamedTuple):
    """A script that was named: `typed`, its absolute `place`, its bytes, what it says, and the text of its lock."""

    typed: str
    place: str
    raw: bytes
    script: Script | None
    lock: str | None

    @property
    def lock_place(self) -> str:
        """Where its lock lies."""
        return f"{self.place}.lock"

    @property
    def block(self) -> bytes:
        """What uv gets to see of it unless it is to be edited."""
        return b"" if self.script is None else self.script.block.encode()

    @property
    def requirements(self) -> tuple[Requested, ...]:
        """What it asks for."""
        return () if self.script is None else self.script.requirements


def read(typed: str, cwd: str) -> Scripted:
    """Read a script, and its lock if there is one. Raises what `scripts.read_script` and `read_text` raise."""
    if is_http(typed) or typed == "-":
        raise UsageError(f"`--script {without_login(typed)}`: a script is a file here", hint="download it, and read it")
    check_depth(typed, cwd)
    place = os.path.abspath(os.path.join(cwd, typed))
    if os.path.exists(place) and not os.path.isfile(place):
        raise UsageError(f"`--script {typed}`: a script is a file here")
    try:
        with Path(place).open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read `{typed}`: {error.strerror}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise UsageError(f"`{typed}` is larger than {MAX_FILE_BYTES} bytes")
    lock = Path(f"{place}.lock")
    return Scripted(typed, place, raw, scripts.read_script(raw, typed), read_text(lock) if lock.is_file() else None)


def plan(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command,
    tokens: list[Token],
    fetch: FetchOutside,
) -> Plan:
    """Understand `lock`, `add`, `remove`, `export` or `tree` with `--script`. Errors: `uv.plan`."""
    around = look_around(tokens, environ, cwd, command.words)
    tokens = [*uv_resolve.from_variables(tokens, around, command.words), *tokens]
    scripted = read(last_of(tokens, "--script") or "", around.cwd)
    typed, folders, words = uv_resolve.words_of_command(command, tokens, around)
    reader = Reader(around.cwd, environ, partial(fetch, upstream=around.upstream), stdin=True)
    found = Inputs(reader, around.config.texts, sources=True, extras=frozenset())
    flagged = [
        word
        for kind, flag in ((REQUIREMENTS, "--requirements"), (CONSTRAINTS, "--constraints"))
        for word in found.read(values_of(tokens, flag), kind, flag)
    ]
    inputs = tuple(found.inputs)
    archive = next((one for one in requested_of(inputs, REQUIREMENTS) if one.source is not None), None)
    if archive is not None and archive.source is not None:
        raise DirectReferenceError(
            f"`{archive.source.filename}`: an archive of this machine has no place in a script (direct-reference)",
            where=archive.origin,
            hint="take a release from an index",
        )
    folders += tuple(one for source in inputs for one in source.projects)
    if folders:
        raise UsageError(f"`{folders[0].path}`: folders are not gated here yet")
    output = last_of(tokens, "--output-file")
    edits = command.words in _EDIT
    frozen = has(tokens, "--frozen") or has(tokens, "--check-exists")
    copies = found.mirror(output)
    mirror = copies._replace(
        files={**copies.files, **_copies(scripted, whole=edits)},
        outputs=(*copies.outputs, scripted.lock_place, *([scripted.place] if edits else [])),
    )
    if scripted.lock is not None and not frozen:
        _refuse_entries(_parsed(scripted))
    compiled = Compiled(
        mirror=mirror,
        kind=_kind(command.words, scripted, frozen=frozen),
        output=scripted.lock_place,
        header=headers.exported(argv) if command.words == ("export",) else None,
    )
    base, version = _base(scripted, tokens, around)
    options = [part for token in tokens if uv_resolve.is_for_uv(token) and not _is(token) for part in token.canonical()]
    return Plan(
        tool="uv",
        version=version,
        words=command.words,
        typed=tuple(map(without_login, argv)),
        program=(around.helper.path,),
        helper=around.helper,
        argv=(
            *command.words,
            Mirrored("--script", scripted.typed),
            *(["--frozen"] if frozen else []),
            *options,
            *uv_isolation.isolated(around.unisolated),
            *uv_compile.where_of(around),
            f"--python={base.python}",
            *([Mirrored("--output-file", output)] if output is not None else []),
            *_links(scripted, around),
            *flagged,
            *(("--", *words) if words else ()),
        ),
        cwd=around.cwd,
        target=base,
        requested=(*scripted.requirements, *typed, *requested_of(inputs, REQUIREMENTS)),
        limits=requested_of(inputs, CONSTRAINTS),
        inputs=inputs,
        indexes=_indexes(scripted, tokens, around),
        environment=around.child,
        upstream=around.upstream,
        dropped=around.dropped,
        dry_run=has(tokens, "--dry-run"),
        selects=_selects(scripted, around),
        resolution=uv_resolve.Resolution(files=compiled.replaced, pinned=_pinned(scripted)),
        compiled=compiled,
    )


def plan_sync(
    argv: Sequence[str], environ: Mapping[str, str], cwd: str, *, command: Command, tokens: list[Token]
) -> Plan:
    """Understand `uv sync --script`: into the environment that uv keeps for the script. Errors: `uv.plan`."""
    word = next((token.spelled for token in tokens if token.flag is None), None)
    if word is not None:
        raise UsageError(f"`uv sync` takes no word: `{without_login(word)}`")
    around = look_around(tokens, environ, cwd, command.words)
    tokens = [*uv_resolve.from_variables(tokens, around, command.words), *tokens]
    scripted = read(last_of(tokens, "--script") or "", around.cwd)
    base, version = _base(scripted, tokens, around)
    if must_lock(scripted, tokens, around, str(base.python)):
        first = locking(argv, environ, cwd, tokens, scripted.typed)
        frozen = [*tokens, Token(flag_table("uv", ("sync",))["--frozen"], "--frozen", None)]
        then = partial(plan_sync, argv, environ, cwd, command=command, tokens=frozen)
        return _followed(first, then)
    began = time.time_ns()
    kept = _kept(scripted, tokens, around, environ)
    target = still_missing(base, kept) if isinstance(kept, Path) else kept
    python = str(base.python if isinstance(kept, Path) else target.python)
    words = tuple(map(without_login, argv))
    found = filling(scripted, target, tokens, around, python=python, version=version, typed=words)
    make = Making(python, Path(scripted.place).name, began) if isinstance(kept, Path) else None
    return replace(found, make=make)


def must_lock(scripted: Scripted, tokens: Sequence[Token], around: Around, python: str) -> bool:
    """Tell whether the lock of a script has to be written anew first; `python` is the interpreter to ask.

    Raises `ToolStops` with uv's words when `--locked` or `--frozen` stand against that.
    """
    frozen, locked = has(tokens, "--frozen"), has(tokens, "--locked")
    if scripted.lock is None and not frozen and not locked:
        return False
    if frozen and scripted.lock is not None:
        return False
    asked = [token for token in tokens if token.flag is not None and token.flag.name in uv_resolve.RESOLVING]
    if any(has(asked, name) for name in ("--upgrade", "--upgrade-package")) and not locked:
        return True
    with private_folder() as folder:
        mirror = Mirror(around.cwd, {**_texts(around), **_copies(scripted, whole=False)})
        mirror.write(folder)
        copy = Mirrored("--script", scripted.typed).word(folder)
        how = "--frozen" if frozen else "--locked"
        command = [around.helper.path, "sync", copy, how, "--dry-run", "--offline", "--no-cache", "--color=never"]
        command += [f"--python={python}", *(part for token in asked for part in token.canonical())]
        command += [one if isinstance(one, str) else one.word(folder) for one in uv_compile.where_of(around)]
        for one in mirrored(around.links, around.cwd):
            command += one.words(folder)
            if one.path is not None:  # empty: that a lock holds is not for what lies there to say
                one.copy(folder).mkdir(parents=True, exist_ok=True)
        ended = ask(command, around.quiet(folder), mirror.place(folder))
        if ended.returncode == 0:
            return False
        if locked or frozen:
            said = ended.stderr.decode(errors="replace").replace(copy.partition("=")[2], scripted.typed)
            raise ToolStops(said, ended.returncode)
    return True


def locking(argv: Sequence[str], environ: Mapping[str, str], cwd: str, tokens: Sequence[Token], typed: str) -> Plan:
    """Return the plan that writes the lock of a script; `tokens` are those of the command that needs it."""
    table = flag_table("uv", ("lock",))
    known = [one for one in tokens if one.flag is not None and table.get(one.flag.name) == one.flag]
    known = [one for one in known if one.flag is not None and one.flag.name != "--script"]
    known.append(Token(table["--script"], "--script", typed))
    return plan(argv, environ, cwd, command=Command(GATED, ("lock",), ()), tokens=known, fetch=_nothing)


def filling(
    scripted: Scripted,
    target: Target,
    tokens: Sequence[Token],
    around: Around,
    *,
    python: str,
    version: str,
    typed: tuple[str, ...],
) -> Plan:
    """Return the plan that brings an environment in line with a script, or with its lock, which is judged first.

    `python` is the interpreter that uv gets to know: uv looks for none itself.
    """
    known = flag_table("uv", ("sync",))
    passed = [
        token
        for token in tokens
        if token.flag is not None and known.get(token.flag.name) == token.flag and not _is(token)
        if token.flag.name not in uv_sync.STEERING and handed_on(token)
    ]
    if scripted.lock is not None:
        passed = [token for token in passed if token.flag and token.flag.name not in uv_resolve.RESOLVING]
    return Plan(
        tool="uv",
        version=version,
        words=("sync",),
        typed=typed,
        program=(around.helper.path,),
        helper=around.helper,
        argv=(
            "sync",
            Mirrored("--script", scripted.typed),
            "--active",
            f"--python={python}",
            *(["--frozen"] if scripted.lock is not None else []),
            *(part for token in passed for part in token.canonical()),
            *uv_isolation.isolated(around.unisolated),
            *uv_compile.where_of(around),
            *_links(scripted, around),
            *(mirrored(uv_sync.folders_of(_parsed(scripted)), around.cwd) if scripted.lock is not None else ()),
        ),
        cwd=around.cwd,
        target=target,
        requested=scripted.requirements,
        inputs=(),
        indexes=_indexes(scripted, tokens, around),
        environment={**around.child, "VIRTUAL_ENV": str(target.prefix)},
        upstream=around.upstream,
        dropped=around.dropped,
        dry_run=has(tokens, "--dry-run") or has(tokens, "--check"),
        selects=_selects(scripted, around),
        locked=_locked(scripted, target) if scripted.lock is not None else None,
        compiled=Compiled(Mirror(around.cwd, {**_texts(around), **_copies(scripted, whole=False)}), NOTHING),
    )


def _followed(first: Plan, then: partial[Plan]) -> Plan:
    if first.resolution is None:
        raise ValueError("it resolves")
    return replace(first, resolution=first.resolution._replace(then=then))


def _locked(scripted: Scripted, target: Target) -> Locked:
    """Return what a target gets of the lock. Raises `DirectReferenceError` for folders: a script has none."""
    lock = _parsed(scripted)
    _refuse_folders(lock)
    return Locked(lock=lock, selection=select_for(lock, target))


def _refuse_entries(lock: Lock) -> None:
    _refuse_folders(lock)
    uv_resolve.refuse_entries(lock)


def _refuse_folders(lock: Lock) -> None:
    refuse_constraints(lock)
    folder = next((one for one in (*lock.packages, *lock.build_constraints) if one.is_local), None)
    if folder is not None:
        raise DirectReferenceError(
            f"`{folder.name}`: a folder in the lock of a script is refused (direct-reference)", where=lock.where(folder)
        )


def _parsed(scripted: Scripted) -> Lock:
    return parse_lock(scripted.lock or "", Path(scripted.lock_place), "uv")


def _pinned(scripted: Scripted) -> dict[str, frozenset[str]]:
    return uv_resolve.pinned_in(_parsed(scripted)) if scripted.lock is not None else {}


def _copies(scripted: Scripted, *, whole: bool) -> dict[str, bytes]:
    found = {scripted.place: scripted.raw if whole else scripted.block}
    if scripted.lock is not None:
        found[scripted.lock_place] = scripted.lock.encode()
    return found


def _texts(around: Around) -> dict[str, bytes]:
    return {path: text.encode() for path, text in around.config.texts.items()}


def _kind(words: tuple[str, ...], scripted: Scripted, *, frozen: bool) -> str:
    if frozen:
        return NOTHING
    return LOCK if words == ("lock",) or scripted.lock is not None else SHOWN


def _is(token: Token) -> bool:
    return token.flag is not None and token.flag.name == "--script"


def _base(scripted: Scripted, tokens: list[Token], around: Around) -> tuple[Target, str]:
    """Return the interpreter that uv would take for a script, and uv's version."""
    with private_folder() as folder:
        quiet = around.quiet(folder)
        flags = request(tokens, around)
        # the script itself: beside a copy of it uv would look for versions of Python where others may write
        choosing = "--no-project" if "--" in flags else f"--script={scripted.place}"
        python = find_python(around.helper.path, [choosing, *flags], quiet, around.cwd)
        return inspect(python, quiet), uv_version(around.helper.path, quiet, around.cwd)


def _kept(scripted: Scripted, tokens: Sequence[Token], around: Around, environ: Mapping[str, str]) -> Target | Path:
    """Return the environment that uv keeps for a script, or where it is to be made, also in place of another."""
    cache = {"UV_CACHE_DIR": environ["UV_CACHE_DIR"]} if environ.get("UV_CACHE_DIR") else {}
    told = [part for token in (*uv_sync.steering(tokens, around.judged), *around.where) for part in token.canonical()]
    with private_folder() as folder:
        action, prefix = uv_probe.look_script(
            around.helper.path, scripted.place, told, {**around.quiet(folder), **cache}, around.cwd
        )
    return inspect(str(prefix / "bin" / "python"), around.child) if action == "use" else prefix


def _indexes(scripted: Scripted, tokens: Sequence[Token], around: Around) -> tuple[Index, ...]:
    if has(tokens, "--no-index"):
        return ()
    own = () if scripted.script is None else scripted.script.settings.indexes
    return (*own, *around.indexes)


def _links(scripted: Scripted, around: Around) -> tuple[Links, ...]:
    own = () if scripted.script is None else scripted.script.settings.links
    return mirrored((*around.links, *own), around.cwd)


def _selects(scripted: Scripted, around: Around) -> bool:
    return around.config.selects or (scripted.script is not None and scripted.script.settings.selects)


def _nothing(url: str, *, upstream: object = None) -> bytes:
    del upstream
    raise UsageError(f"`{without_login(url)}` has no place here")
