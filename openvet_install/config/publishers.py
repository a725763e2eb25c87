"""`[[install.publisher]]` and `trust-root`: which keys each kind of publisher needs and knows."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from openvet_install.config.model import Publisher

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.config.toml import Table

PUBLISHER_KEYS = (
    "package", "index", "kind", "repository", "workflow", "environment", "ref", "runner", "owner-id",
    "repository-id", "issuer", "identity", "required", "trust-root",
)  # fmt: skip
_COMMON = frozenset({"package", "index", "kind", "required", "trust-root"})
_RUN = frozenset({"environment", "ref", "runner", "owner-id", "repository-id"})
KINDS: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "GitHub": (("repository", "workflow"), _RUN),
    "GitLab": (("repository", "workflow"), _RUN | {"issuer"}),
    "Google": (("identity",), frozenset()),
    "CircleCI": (("identity",), frozenset({"repository", "ref"})),
    "URL": (("issuer", "identity"), frozenset()),
}
"""Keys that a kind needs, and further ones that it knows."""
WIDE_SCOPES = ("machine", "user")
"""A project must not name its own root of trust: whoever wrote it could have signed everything."""

_PACKAGE = re.compile(r"[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?")
_REPOSITORY = re.compile(r"[^/:\s]+(/[^/:\s]+)+")
_WORKFLOW = re.compile(r"[^/\s]+\.ya?ml")
_REF = re.compile(r"refs/[^\s?\[\]]+")
_NUMBER = re.compile(r"[0-9]+")


def trust_root(table: Table, scope: str, folder: Path) -> Path | None:
    """Return the file that `trust-root` of a table names, relative to the policy's folder; faults are noted."""
    named = table.get("trust-root", str, "")
    if not named:
        return None
    path = folder / os.path.expanduser(named)  # noqa: PTH111 - the other one raises for a user who is not there
    if scope not in WIDE_SCOPES:
        hint = "a project could vouch for itself; put it into the machine's or the user's policy"
        table.document.fault(table.at("trust-root"), "`trust-root` is for machine and user policies", hint)
    elif not os.path.isfile(path):  # noqa: PTH113 - False for what is no path at all
        table.document.fault(table.at("trust-root"), f"`trust-root`: no such file: {path}")
    return path


def publisher(table: Table, scope: str, folder: Path) -> Publisher:
    """Read one `[[install.publisher]]`; faults are noted."""
    table.only(PUBLISHER_KEYS)
    fault = table.document.fault
    kind = table.choice("kind", KINDS, "URL")
    needed, known = KINDS[kind]
    if "kind" not in table.data:
        fault(table.path, "`kind` is missing", f"one of {', '.join(KINDS)}")
    elif table.data["kind"] == kind:
        for key in needed:
            if not table.get(key, str, ""):
                fault(table.at(key) if key in table.data else table.path, f'kind = "{kind}" needs `{key}`')
        for key in table.data:
            if key in PUBLISHER_KEYS and key not in _COMMON | known and key not in needed:
                fault(table.at(key), f'`{key}` says nothing about kind = "{kind}"')
    package = canonicalize_name(table.required("package", str, "*"))
    if _PACKAGE.fullmatch(package) is None:
        fault(table.at("package"), "`package` is a name, or a pattern with `*`")
    return Publisher(
        package=package,
        kind=kind,
        where=table.document.place(table.path),
        required=table.get("required", bool, True),
        index=_index(table),
        issuer=_text(table, "issuer"),
        identity=_text(table, "identity"),
        repository=_shaped(table, "repository", _REPOSITORY, "OWNER/NAME"),
        workflow=_workflow(table, kind),
        ref=_shaped(table, "ref", _REF, '"refs/tags/v1", or a pattern such as "refs/tags/*"'),
        environment=_text(table, "environment"),
        runner=_text(table, "runner"),
        owner_id=_number(table, "owner-id"),
        repository_id=_number(table, "repository-id"),
        trust_root=trust_root(table, scope, folder),
    )


def _text(table: Table, key: str) -> str | None:
    return table.get(key, str, "") or None


def _shaped(table: Table, key: str, shape: re.Pattern[str], words: str) -> str | None:
    text = _text(table, key)
    if text is not None and shape.fullmatch(text) is None:
        table.document.fault(table.at(key), f"`{key}` is written {words}")
    return text


def _workflow(table: Table, kind: str) -> str | None:
    if kind == "GitHub":
        return _shaped(table, "workflow", _WORKFLOW, "as the file's name in .github/workflows, such as release.yml")
    return _text(table, "workflow")


def _number(table: Table, key: str) -> str | None:
    value = table.data.get(key)
    if type(value) is int and value >= 0:
        return str(value)
    return _shaped(table, key, _NUMBER, "as digits")


def _index(table: Table) -> str | None:
    text = _text(table, "index")
    if text is not None:
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            table.document.fault(table.at("index"), "`index` is the http(s) address of an index")
        elif parts.username or parts.password:
            table.document.fault(table.at("index"), "`index` holds a login", "netrc and keyring are asked as always")
    return text
