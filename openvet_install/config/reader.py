"""From text to a `PolicyFile`: OpenVet's tables exactly as OpenVet reads them, and our `[install]`.

Stricter than OpenVet 0.6 where typing errors would pass there: unknown keys inside a requirement or
an override are faults.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.config.model import Exemption, Lockfile, LogSettings, Mode, PolicyFile, Settings
from openvet_install.config.publishers import publisher, trust_root
from openvet_install.config.toml import Document, Table
from openvet_install.errors import ConfigError
from openvet_install.openvet.language import Claim, ExpressionError, parse
from openvet_install.openvet.verdict import Override, Policy, Requirement

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.config.model import Files

OPENVET_TOML = "openvet.toml"
INSTALL_TOML = "openvet-install.toml"

OPENVET_TABLES = ("log", "lockfile", "requirement", "override", "alias")
LOCK_KINDS = ("bun", "cargo", "go", "npm", "pdm", "pnpm", "poetry", "pylock", "rubygems", "uv", "yarn")
INSTALL_KEYS = (
    "mode", "sdists", "local-projects", "heads", "check-every", "stale-after", "cooldown", "max-lag", "carry",
    "isolation", "log", "publisher", "exempt", "trust-root",
)  # fmt: skip
EXEMPT_KEYS = ("package", "version", "index", "hashes", "sdist", "audit", "owner", "reason", "until")
LOG_KEYS = ("operators", "signers", "mirrors", "expect")
MATCHER_KEYS = ("registry", "package", "version", "variant", "hash")
MAX_FILE_BYTES = 4 * 1024 * 1024
EXEMPT_LIMIT = timedelta(days=366)
LIFT_LIMIT = timedelta(days=14)
AUDIT_DIGITS = 12

_DURATION = re.compile(r"(\d{1,6})([smhdwy])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_AUDIT = re.compile(rf"[0-9a-f]{{{AUDIT_DIGITS},64}}")


def duration(text: str) -> timedelta:
    """Read `30s`, `5m`, `1h`, `7d`, `2w` or `2y` (365 days). Raises `ValueError`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError('write a number and a unit, such as "1h", "7d" or "2y"')
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def parse_policy(text: str) -> Policy:
    """Read `[requirement]`, `[[override]]` and `[alias]` of one text. Raises `ConfigError`."""
    document = Document.parse(text.encode(), OPENVET_TOML)
    policy = _policy(document.table())
    document.finish()
    return policy


def read_policy(
    scope: str, path: Path, today: date, owner: str | None = None, files: Files | None = None
) -> PolicyFile:
    """Read `openvet.toml` or `openvet-install.toml` at `path`, and the other one beside it; from `files`, if given.

    All faults are told at once. A table that stands in both files is a fault.
    Raises `ConfigError` or `FaultsError`.
    """
    digest = hashlib.sha256()
    documents = {}
    for name, (raw, document) in documents_of(scope, path, files).items():
        digest.update(hashlib.sha256(raw).digest())
        documents[name] = document
    tables: dict[str, Table] = {}
    for name, document in documents.items():
        root = document.table()
        root.only((*OPENVET_TABLES, "install"))
        for key in root.data:
            if key in tables:
                document.fault((key,), f"`{key}` stands in {OPENVET_TOML} and in {INSTALL_TOML}", f"keep it in {name}")
            tables[key] = root
    empty = next(iter(documents.values())).table()
    policy = _policy_of(tables, empty)
    logs = _logs(tables.get("log", empty), tables.get("install", empty))
    lockfiles = _lockfiles(tables.get("lockfile", empty))
    settings = _settings(tables.get("install", empty), today, owner, scope, path.parent)
    for document in documents.values():
        document.finish()
    named = {settings.trust_root, *(one.trust_root for one in settings.publishers)}
    for place in sorted(one for one in named if one is not None):
        digest.update(hashlib.sha256(read_bytes(place)).digest())
    return PolicyFile(
        scope=scope,
        path=path,
        logs=logs,
        lockfiles=lockfiles,
        policy=policy,
        settings=settings,
        sha256=digest.hexdigest(),
        files=files,
    )


def documents_of(scope: str, path: Path, files: Files | None = None) -> dict[str, tuple[bytes, Document]]:
    """Read the one or two files of a policy, by name, without looking at what they say. Raises `ConfigError`."""
    found = {}
    for name in (OPENVET_TOML, INSTALL_TOML):
        candidate = path.parent / name
        if files is not None:
            raw = files.read(candidate, MAX_FILE_BYTES)
            if raw is not None:
                found[name] = (raw, Document.parse(raw, shown_in(files, name)))
        elif is_there(candidate):
            raw = read_bytes(candidate)
            found[name] = (raw, Document.parse(raw, _shown(candidate, scope)))
    return found


def shown_in(files: Files | None, name: str) -> str:
    """Return what people call a file of a project."""
    return name if files is None else f"{files.name}:{name}"


def _shown(path: Path, scope: str) -> str:
    return path.name if scope == "project" else str(path)


def is_there(path: Path) -> bool:
    """Tell whether a configuration file is there, or a link that should lead to it.

    Raises `ConfigError` where that cannot be known.
    """
    try:
        return path.exists() or any(one.is_symlink() and not one.exists() for one in (path, path.parent))
    except OSError as error:
        hint = "a folder of another user? HOME and XDG_CONFIG_HOME say whose configuration counts"
        raise ConfigError(f"cannot be looked for: {error.strerror}", where=str(path), hint=hint) from error


def read_bytes(path: Path) -> bytes:
    """Read a configuration file whole; a pipe or device is never waited for. Raises `ConfigError`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ConfigError("no ordinary file", where=str(path))
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"larger than {MAX_FILE_BYTES} bytes", where=str(path))
    return raw


def _policy(root: Table) -> Policy:
    return _policy_of({key: root for key in root.data if key in OPENVET_TABLES}, root)


def _policy_of(tables: dict[str, Table], empty: Table) -> Policy:
    requirements = _requirements(tables.get("requirement", empty))
    overrides = _overrides(tables.get("override", empty), set(requirements))
    return Policy(requirements, overrides, _aliases(tables.get("alias", empty)))


def _requirements(root: Table) -> dict[str, Requirement]:
    found: dict[str, Requirement] = {}
    for name, value in root.get("requirement", dict, {}).items():
        path = ("requirement", name)
        default, condition = True, value
        if isinstance(value, dict):
            table = Table(root.document, path, value)
            table.only(("condition", "default"))
            condition = table.required("condition", str, "")
            default = table.get("default", bool, True)
            if type(value.get("condition")) is not str:
                continue
        elif not isinstance(value, str):
            root.document.fault(path, "a requirement is an expression or a table with `condition` and `default`")
            continue
        try:
            found[name] = Requirement(name, parse(str(condition)), default)
        except ExpressionError as error:
            root.document.fault(path, f"requirement `{name}`: {error.what}")
            found[name] = Requirement(name, Claim("unreadable"), default)
    return found


def _overrides(root: Table, known: set[str]) -> tuple[Override, ...]:
    found = []
    for table in root.array("override"):
        table.only((*MATCHER_KEYS, "requirements"))
        matcher: dict[str, Any] = {key: table.get(key, str, "") for key in MATCHER_KEYS if key in table.data}
        change = table.data.get("requirements")
        replace: tuple[str, ...] | None = None
        add: tuple[str, ...] = ()
        remove: tuple[str, ...] = ()
        named: list[tuple[tuple[str | int, ...], str]]
        if isinstance(change, dict):
            patch = Table(root.document, table.at("requirements"), change)
            patch.only(("add", "remove"))
            add, remove = patch.strings("add"), patch.strings("remove")
            named = [(("add", number), name) for number, name in enumerate(add)]
            named += [(("remove", number), name) for number, name in enumerate(remove)]
        elif isinstance(change, list):
            replace = table.strings("requirements")
            named = [((number,), name) for number, name in enumerate(replace)]
        else:
            problem = "is missing" if change is None else "must be an array, or a table with `add` and `remove`"
            root.document.fault(table.at("requirements"), f"`requirements` {problem}")
            continue
        for tail, name in named:
            if name not in known:
                root.document.fault(
                    (*table.at("requirements"), *tail), f"override names a requirement that does not exist: `{name}`"
                )
        found.append(Override(**matcher, replace=replace, add=add, remove=remove))
    return tuple(found)


def _aliases(root: Table) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    table = Table(root.document, ("alias",), root.get("alias", dict, {}))
    for canonical in table.data:
        for entry in table.strings(canonical):
            log, colon, claim = entry.partition(":")
            if not colon:
                root.document.fault(table.at(canonical), f"alias entry `{entry}` must be `log:claim-name`")
                continue
            found.setdefault(log, {}).setdefault(canonical, claim)
    return found


def _logs(root: Table, install_root: Table) -> dict[str, LogSettings]:
    ours: dict[str, Table] = {}
    install = install_root.data.get("install")
    if isinstance(install, dict):
        ours = dict(Table(install_root.document, ("install",), install).tables("log"))
    found = {}
    for name, table in root.tables("log"):
        table.only(("url",))
        extra = ours.pop(name, Table(root.document, (), {}))
        extra.only(LOG_KEYS)
        found[name] = LogSettings(
            name=name,
            url=_address(table, table.at("url"), table.required("url", str, "https://…")),
            where=root.document.place(table.at("url")),
            operators=_fingerprints(extra, "operators"),
            signers=_fingerprints(extra, "signers"),
            mirrors=tuple(
                _address(extra, (*extra.at("mirrors"), number), one)
                for number, one in enumerate(extra.strings("mirrors"))
            ),
            expect=extra.convert("expect", duration, None),
        )
    for name, table in ours.items():
        table.document.fault(table.path, f"there is no `[log.{name}]` for this table")
    return found


def _address(table: Table, path: tuple[str | int, ...], url: str) -> str:
    """Return the address of a log or a mirror; what can never be asked is a fault."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        table.document.fault(path, "not the http(s) address of a log")
    return url


def _fingerprints(table: Table, key: str) -> tuple[str, ...]:
    values = table.strings(key)
    for number, value in enumerate(values):
        if _FINGERPRINT.fullmatch(value) is None:
            table.document.fault(
                (*table.at(key), number), f"not a key's fingerprint: `{value}`", "ssh-keygen -lf prints SHA256:…"
            )
    return values


def _lockfiles(root: Table) -> tuple[Lockfile, ...]:
    found = []
    for table in root.array("lockfile"):
        table.only(("kind", "path"))
        table.required("kind", str, "")
        found.append(Lockfile(table.choice("kind", LOCK_KINDS, "uv"), table.required("path", str, "")))
    return tuple(found)


def _settings(root: Table, today: date, owner: str | None, scope: str, folder: Path) -> Settings:
    table = Table(root.document, ("install",), root.get("install", dict, {}))
    table.only(INSTALL_KEYS)
    base = Settings()
    return Settings(
        mode=Mode(table.choice("mode", [mode.value for mode in Mode], base.mode.value)),
        sdists=table.choice("sdists", ("audited", "never"), base.sdists),
        local_projects=table.strings("local-projects") if "local-projects" in table.data else base.local_projects,
        heads=table.choice("heads", ("locked", "latest"), base.heads),
        check_every=table.convert("check-every", duration, base.check_every),
        stale_after=table.convert("stale-after", duration, base.stale_after),
        cooldown=table.convert("cooldown", duration, base.cooldown),
        max_lag=table.convert("max-lag", duration, base.max_lag),
        carry=table.choice("carry", ("off", "content"), base.carry),
        isolation=table.choice("isolation", ("auto", "require", "off"), base.isolation),
        exemptions=tuple(_exemption(scope, entry, today, owner) for entry in table.array("exempt")),
        publishers=tuple(publisher(entry, scope, folder) for entry in table.array("publisher")),
        trust_root=trust_root(table, scope, folder),
        said={key: root.document.place(table.at(key)) for key in table.data if key in INSTALL_KEYS},
    )


def _exemption(scope: str, table: Table, today: date, owner: str | None) -> Exemption:
    table.only(EXEMPT_KEYS)
    version = table.get("version", str, "") or None
    index = table.get("index", str, "") or None
    hashes = table.strings("hashes")
    fault = table.document.fault
    for number, value in enumerate(hashes):
        if SHA256.fullmatch(value) is None:
            fault((*table.at("hashes"), number), f"not `sha256:` and 64 digits: `{value}`")
    if not hashes and not (version and index):
        fault(table.path, "an exemption needs `hashes`, or `version` and `index`")
    if version is not None and not _is_version(version):
        fault(table.at("version"), f"not a version: `{version}`")
    until = table.data.get("until")
    if isinstance(until, datetime) or not isinstance(until, date):
        fault(table.at("until") if "until" in table.data else table.path, "`until` must be a date such as 2027-01-31")
        until = today
    elif until < today - timedelta(days=3660) or until > today + EXEMPT_LIMIT:
        fault(table.at("until"), "`until` must lie at most a year ahead")
    audit = _lifted(scope, table, until, today) if "audit" in table.data else None
    for key in ("package", "reason"):
        if not table.required(key, str, ""):
            fault(table.at(key), f"`{key}` is empty")
    named = table.get("owner", str, "") or owner or ""
    if not named:
        fault(table.path, "an exemption needs an `owner`", "or set git's user.email")
    return Exemption(
        package=canonicalize_name(table.get("package", str, "")),
        version=version,
        index=index,
        hashes=frozenset(value.removeprefix("sha256:") for value in hashes),
        sdist=table.get("sdist", bool, False),
        audit=audit,
        owner=named,
        reason=table.get("reason", str, ""),
        until=until,
        where=table.document.place(table.path),
    )


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:
        return False
    return True


def _lifted(scope: str, table: Table, until: date, today: date) -> str:
    """Read which audit's no is lifted; its rules are narrower than those of silence (threat T58)."""
    audit, fault = table.get("audit", str, ""), table.document.fault
    if _AUDIT.fullmatch(audit) is None:
        fault(table.at("audit"), f"not the hash of an audit, nor its first {AUDIT_DIGITS} digits or more: `{audit}`")
    if scope == "project":
        hint = "openvet-install exempt NAME==VERSION --audit HEX writes it there"
        fault(table.at("audit"), "a no is lifted in the user's or the machine's policy only", hint)
    if until > today + LIFT_LIMIT:
        fault(table.at("until"), "`until` must lie at most 14 days ahead where a no is lifted")
    return audit
