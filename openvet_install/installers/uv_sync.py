"""`uv sync` under the gate: an up-to-date `uv.lock`, read once, and the environment that uv would bring in line."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError, DirectReferenceError, UsageError
from openvet_install.installers import uv_config, uv_isolation
from openvet_install.installers.commands import Making, Plan, private_folder, without_login
from openvet_install.installers.lines import requested_by
from openvet_install.installers.locks import read_lock, select_for
from openvet_install.installers.projects import build_requirements, pyproject, table_of
from openvet_install.installers.sources import Links
from openvet_install.installers.target import ToolStops, ask, guess, inspect, new_environment, uv_version
from openvet_install.installers.tokens import Token, has, last_of
from openvet_install.installers.uv_around import handed_on, is_offline, look_around, of_project
from openvet_install.installers.uv_probe import to_be_made
from openvet_install.installers.uv_sources import Ignored, Member, Sources, folders_named, follow, ignored_by
from openvet_install.installers.uv_wanted import names_of, wanted
from openvet_install.installers.uv_workspace import around_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from openvet_install.installers.commands import Index
    from openvet_install.installers.locks_values import Lock, LockedPackage, Selection
    from openvet_install.installers.passing import Command
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_around import Around

STEERING = ("--python", "--managed-python", "--no-managed-python", "--python-preference", "--active", "--no-active")
_SOURCES = ("--no-sources", "--no-sources-package")
_RESOLVE = ("--upgrade", "--upgrade-package", "--upgrade-group", *_SOURCES)
_ASK = frozenset(
    {
        *("--resolution", "--prerelease", "--prerelease-package", "--pre", "--fork-strategy", "--exclude-newer"),
        *("--exclude-newer-package", "--index", "--default-index", "--index-url", "--extra-index-url", "--no-index"),
        "--index-strategy",
    }
)
_TALK = frozenset(
    {
        *("--quiet", "--verbose", "--color", "--no-color", "--no-progress", "--offline", "--locked", "--frozen"),
        *("--dry-run", "--check", "--output-format"),
    }
)
"""Options that change nothing about what is to be done, and that we set ourselves when we ask."""
_WITHOUT_FOLDERS = ("--no-install-workspace", "--no-install-local")
_MISSING = "Unable to find lockfile"
_UNREADABLE = "Failed to parse `uv.lock`"


class Locked(NamedTuple):
    """What `uv sync` works from: the lock, and what of it this target gets.

    `idle`: uv says that it has nothing to do, so it needs nothing to take anything from; what it noted of interpreters
    when it said so, by path in its cache, spares it asking them again. None where there is, or may be, something to do.
    `left_out`: packages on no index that the target does not get, as uv is told. `copied`: addresses of archives of
    this machine, of which the tool gets private copies or nothing.
    """

    lock: Lock
    selection: Selection
    idle: Mapping[str, bytes] | None = None
    left_out: frozenset[str] = frozenset()
    copied: frozenset[str] = frozenset()

    @property
    def packages(self) -> tuple[LockedPackage, ...]:
        """The entries of the lock but for those that are left out."""
        return tuple(one for one in self.lock.packages if _normal(one) not in self.left_out)


def plan(argv: Sequence[str], environ: Mapping[str, str], cwd: str, *, command: Command, tokens: list[Token]) -> Plan:
    """Understand `uv sync`; `tokens` are its options, none of them refused. Errors: `uv.plan`."""
    if has(tokens, "--script"):
        from openvet_install.installers import uv_script_lock  # noqa: PLC0415 - it looks at us

        return uv_script_lock.plan_sync(argv, environ, cwd, command=command, tokens=tokens)
    word = next((token.spelled for token in tokens if token.flag is None), None)
    if word is not None:
        raise UsageError(f"`uv sync` takes no word: `{without_login(word)}`")
    start = cwd
    around = of_project(look_around(tokens, environ, cwd, command.words))
    cwd, child, where, helper = around.cwd, around.child, around.where, around.helper
    steered = [part for token in (*steering(tokens, around.judged), *where) for part in token.canonical()]
    frozen = has(tokens, "--frozen") or around.says("UV_FROZEN")
    resolve = partial(_resolve, argv, environ, start, command=command, tokens=tokens)
    if any(has(tokens, name) for name in _RESOLVE if not frozen or name not in _SOURCES):
        return resolve()
    asked = [(token, token.flag) for token in tokens if token.flag is not None and token.flag.name not in STEERING]
    given = [(token, flag.name) for token, flag in asked if handed_on(token) or flag.name in _SOURCES]
    options = [part for token, _name in given for part in token.canonical()]
    # uv takes the option for one about resolving, though builds obey it; the variable it takes
    how = () if frozen and has(tokens, "--no-sources") else ("--frozen" if frozen else "--locked",)
    began = time.time_ns()
    with private_folder() as folder:
        quiet = around.quiet(folder)
        probe = _Probe(helper.path, steered, quiet, cwd, folder / "probe")
        version, looked = probe.look(frozen=frozen)
        if looked is None:
            return resolve()
        target, root, base = looked
        lock = read_lock(Path(root, "uv.lock"))
        reads = what_is_read(around, environ)
        members = tuple(folders_named(lock, root))
        extra = frozenset(name for one in around.config.build_needs for name in one.names)
        led, indexes = _led(lock, root, members, around_folders(around, quiet), ignored_by(tokens), extra=extra)
        selection = selected(
            lock, tokens=tokens, child=child, member=probe.member, target=target, frozen=frozen, reads=reads
        )
        left_out = _left_out(lock, selection, tokens)
        shared = uv_isolation.builds_so(tokens, around.unisolated, lock, selection)
        options += uv_isolation.options(tokens, around.unisolated, shared=shared)
        without = [f"--no-install-package={name}" for name in sorted(left_out)]
        links = (*around.links, *folders_of(lock))
        houses = tuple(one.path for one in around.links if one.path is not None) if is_offline(tokens) else ()
        if not frozen and not _is_static(lock, root):
            return _anew(resolve, lock)
        changes = None
        if base is None and how and not links:
            silent = (part for token, name in given if name not in _TALK for part in token.canonical())
            changes = probe.changes(*how, *silent)
        if not frozen and changes is None and not probe.is_current(tokens, around.links):
            return _anew(resolve, lock)
        idle = probe.interpreters() if changes == [] else None
    return Plan(
        tool="uv",
        version=version,
        words=command.words,
        typed=tuple(map(without_login, argv)),
        program=(helper.path,),
        helper=helper,
        argv=("sync", *how, *options, *steered, *without, *members, *led, *links),
        cwd=cwd,
        target=target,
        requested=(),
        inputs=(),
        indexes=around.with_members(indexes),
        environment=child if how else {**child, "UV_FROZEN": "1"},
        upstream=around.upstream,
        dropped=around.dropped,
        dry_run=has(tokens, "--dry-run") or has(tokens, "--check"),
        selects=around.config.selects or any(has(tokens, name) for name in ("--no-binary", "--no-binary-package")),
        formats=around.config.formats,
        make=Making(base, lock.project or lock.path.parent.name, began) if base is not None else None,
        locked=Locked(lock, selection, idle, left_out),
        houses=houses,
        builds_in=target if shared and base is None and idle is None else None,
    )


def folders_of(lock: Lock) -> tuple[Links, ...]:
    """Return the folders that a lock takes files from."""
    found = {}
    for package in lock.packages:
        local = any(file.url.startswith("file:") for file in package.files)
        where = package.source.location
        # a file by path in an index of the web has no folder, and is refused
        if package.source.kind == "registry" and local and "://" not in where and where not in found:
            path = os.path.abspath(os.path.join(lock.path.parent, where))
            found[where] = Links(lock.where(package), path=path, typed=where, told=True)
    return tuple(found.values())


class _Probe:
    """uv itself, asked without network, with an empty cache at first, and so that it builds nothing."""

    def __init__(self, uv: str, steering: Sequence[str], environ: Mapping[str, str], cwd: str, cache: Path) -> None:
        self._uv, self._steering, self._cwd, self._cache = uv, steering, cwd, cache
        self._environ = {**environ, "UV_CACHE_DIR": str(cache)}
        self.member = ""

    def _sync(self, *how: str) -> tuple[int, bytes, str]:
        command = [self._uv, "sync", "--dry-run", "--offline", "--color=never", "--output-format=json"]
        ended = ask([*command, *self._steering, *how], self._environ, self._cwd)
        return ended.returncode, ended.stdout, ended.stderr.decode(errors="replace")

    def look(self, *, frozen: bool) -> tuple[str, tuple[Target, str, str | None] | None]:
        """Return uv's version, and what `_read` makes of its answer; both, and the likely target, are asked at once.

        Raises `ConfigError` for a uv that we do not know, whatever it answers, and what `_read` raises.
        """
        place = os.path.join(self._cwd, self._environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
        with ThreadPoolExecutor(max_workers=3) as pool:
            likely = pool.submit(guess, place, self._environ) if not self._steering else None
            answer = pool.submit(self._sync, "--frozen", *_WITHOUT_FOLDERS)
            version = uv_version(self._uv, self._environ, self._cwd)
            return version, self._read(*answer.result(), frozen=frozen, likely=likely)

    def _read(
        self, code: int, out: bytes, said: str, *, frozen: bool, likely: Future[Target | None] | None
    ) -> tuple[Target, str, str | None] | None:
        """Return the target, the folder of the workspace, and the interpreter of an environment that is to be made.

        None where there is no lock that uv could read, unless it must be as it is (`frozen`). Raises `ToolStops` with
        uv's words.
        """
        if code != 0 and not frozen and (_MISSING in said or _UNREADABLE in said):
            return None
        if code != 0:
            raise ToolStops(said, code)
        try:
            told: dict[str, Any] = json.loads(out)
            root, self.member = told["project"]["workspace"]["path"], told["project"]["path"]
            environment, action = told["sync"]["environment"], told["sync"]["action"]
            prefix, python = environment["path"], environment["python"]["path"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"`{self._uv}` does not say what it would bring in line") from error
        if action not in ("create", "replace"):
            target = likely.result() if likely is not None else None
            if target is None or str(target.python) != python:
                target = inspect(python, self._environ)
            return target, root, None
        base, target = to_be_made(self._uv, said, Path(prefix), self._environ, self._cwd)
        return target, root, base

    def is_current(self, tokens: Sequence[Token], links: Sequence[Links]) -> bool:
        """Tell whether the lock says what the project's files and these options ask for."""
        asked = [part for token in tokens if token.flag and token.flag.name in _ASK for part in token.canonical()]
        asked += [word for one in links for word in one.as_typed()]
        return self._sync("--locked", *_WITHOUT_FOLDERS, *asked)[0] == 0

    def changes(self, *how: str) -> list[Any] | None:
        """Return what uv would change with these options; None where it does not say, or not all of it.

        With `--locked` that it says it tells that the lock is current.
        """
        code, out, _said = self._sync("--no-build", *how)
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(out)["sync"]
            if code == 0 and told["action"] == "check" and isinstance(told["changes"], list):
                return told["changes"]
        return None

    def interpreters(self) -> dict[str, bytes]:
        """Return what uv has noted of interpreters, by path in its cache."""
        noted = self._cache.glob("interpreter-v*/**/*.msgpack")
        return {str(path.relative_to(self._cache)): path.read_bytes() for path in noted}


def make_environment(plan: Plan, variables: Mapping[str, str]) -> Target:
    """Let uv make the environment, empty, in place of what is there, and return it. Raises `ConfigError`.

    One that another run has made meanwhile, of the same Python, is in use, and stays.
    """
    if plan.make is None:
        raise ValueError("there is an environment")
    python, prompt, began = plan.make
    if _made_since(plan.target, began):
        found = inspect(str(plan.target.python), variables)
        if found.version == plan.target.version:
            return found
    return new_environment(plan.program[0], python, plan.target.prefix, variables, plan.cwd, prompt=prompt)


def _made_since(target: Target, moment_ns: int) -> bool:
    ours = (target.prefix / "pyvenv.cfg", target.python)
    return target.python.exists() and any(one.lstat().st_ctime_ns > moment_ns for one in ours if one.exists())


def _resolve(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command,
    tokens: list[Token],
) -> Plan:
    from openvet_install.installers import uv_resolve  # noqa: PLC0415 - it calls us

    return uv_resolve.plan(argv, environ, cwd, command=command, tokens=tokens)


def _anew(resolve: Callable[[], Plan], lock: Lock) -> Plan:
    """Resolve although there is a lock; where the project may not lead where it does, say what still can be had."""
    try:
        return resolve()
    except DirectReferenceError as fault:
        fault.hint = f"--frozen    takes {lock.path.name} as it is, and what this machine gets of it is judged"
        raise


def what_is_read(around: Around, environ: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the variables by which uv looks for its configuration; None where nothing chooses among files."""
    if not around.config.selects and not any(name.startswith("UV_NO_BINARY") for name in environ):
        return None
    named, without = last_of(around.where, "--config-file"), has(around.where, "--no-config")
    said = {"UV_CONFIG_FILE": os.path.join(around.cwd, named)} if named else {}
    return {**environ, **said, **({"UV_NO_CONFIG": "1"} if without else {})}


def selected(
    lock: Lock,
    *,
    tokens: Sequence[Token],
    child: Mapping[str, str],
    member: str,
    target: Target,
    frozen: bool,
    reads: Mapping[str, str] | None = None,
) -> Selection:
    """Return what a target would get from a lock with these options of `uv sync`, in the project `member`.

    `reads`: see `what_is_read`.
    """
    if reads is not None:
        from openvet_install.installers.uv_beside import with_config  # noqa: PLC0415 - rarely

        lock = with_config(lock, reads)
    found = select_for(lock, target, wanted(tokens, child, lock, member, frozen=frozen))
    skipped = names_of(tokens, "--no-install-package")
    kept = tuple(one for one in found.files if canonicalize_name(one.package.name) not in skipped)
    return found._replace(files=kept)


def _left_out(lock: Lock, selection: Selection, tokens: Sequence[Token]) -> frozenset[str]:
    """Return the packages that come from no index, if only for others: uv can be told to keep off their names.

    Of a package of which the target gets anything it cannot.
    """
    if has(tokens, "--only-install-package"):
        return frozenset()  # uv takes no second list
    foreign = {_normal(one) for one in lock.packages if one.source.kind != "registry" and not one.is_local}
    reached = {_normal(one) for one in selection.direct} - names_of(tokens, "--no-install-package")
    return frozenset(foreign - reached - {_normal(one.package) for one in selection.files})


def _normal(package: LockedPackage) -> str:
    return str(canonicalize_name(package.name))


def steering(tokens: Sequence[Token], judged: Mapping[str, str]) -> list[Token]:
    """Return what makes uv choose its Python and environment: flags, and the variable where no flag says otherwise."""
    found = [token for token in tokens if token.flag is not None and token.flag.name in STEERING]
    if not has(found, "--python") and judged.get("UV_PYTHON"):
        from openvet_install.installers.passing import flag_table  # noqa: PLC0415 - rarely

        found.append(Token(flag_table("uv", ("sync",))["--python"], "UV_PYTHON", judged["UV_PYTHON"]))
    return found


def _led(
    lock: Lock,
    root: str,
    members: Sequence[Member],
    listed: Callable[[str], Sequence[str]],
    ignored: Ignored,
    *,
    extra: frozenset[str],
) -> tuple[list[Member], list[Index]]:
    """Return the folders that only builds need, as nothing of them stands in the lock, and the indexes of all.

    `listed` gives the folders of a workspace, `extra` what builds need beside what the folders say. Raises
    `UsageError` for what would lead a build past the gateway: what the lock alone may have, builds may not.
    """
    of_lock = frozenset(one.name for one in lock.packages if one.source.kind != "registry" and not one.is_local)
    start = [*members, Member(root, editable=False, extras="", origin=lock.path.name)]
    needed = extra
    while True:
        sources = Sources(listed, ignored, told=of_lock - needed)
        more = [one for one in follow(start, sources) if one.path != root]
        named = {one.requirement.name for folder in (*start, *more) for one in build_requirements(folder, root)}
        missed = frozenset(map(canonicalize_name, named)) & of_lock - needed
        if not missed:
            break
        needed |= missed
    requested_by(more, root)
    own = [index for one in (*start, *more) for index in uv_config.of_project(one.path).indexes]
    return more, [*own, *sources.indexes]


def _is_static(lock: Lock, root: str) -> bool:
    """Tell whether uv can compare the lock with all its projects without building any of them."""
    for package in lock.packages:
        if package.is_local:
            text = pyproject(os.path.join(root, package.source.location, "pyproject.toml"), lock.path.name)
            project = table_of(text, "project")
            if not project.get("name") or project.get("dynamic"):
                return False
    return all(package.source.kind in ("registry", "git") or package.is_local for package in lock.packages)
