"""Who may have built a file: what verified certificates say, held to the policy's `[[install.publisher]]`; pure.

Of all rules those count whose `package` names the file's package most exactly: its name before any pattern, a longer
pattern before a shorter one. Rules that are equally exact are alternatives: publishers change over time. Then:

1. a rule with an `index` counts for files of that index only; if none is left, the file is from elsewhere;
2. one verified attestation that fits one rule in every key is enough: `verified`;
3. if attestations verify but none fits: `mismatch`;
4. if none verifies, or there is none: `missing`.

Keys are compared exactly; `ref` may hold `*`. What a document says of its own publisher is never looked at (T74).
"""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from openvet_install.config.model import Publisher
    from openvet_install.files import File

ISSUERS = {
    "GitHub": "https://token.actions.githubusercontent.com",
    "GitLab": "https://gitlab.com",
    "Google": "https://accounts.google.com",
    "CircleCI": "https://oidc.circleci.com",
}
_KINDS = {issuer: kind for kind, issuer in ISSUERS.items()}
_GITHUB = "https://github.com"
_NAMED = ("kind", "issuer", "identity", "repository", "workflow")
"""Keys that a description of a publisher holds anyway."""


class Identity(NamedTuple):
    """What a signing certificate says, as it says it: `issuer` of the token, `subject` (the SAN), claims of the run."""

    issuer: str
    subject: str
    repository: str = ""
    workflow: str = ""
    ref: str = ""
    commit: str = ""
    environment: str = ""
    runner: str = ""
    owner_id: str = ""
    repository_id: str = ""
    run: str = ""


class Attested(NamedTuple):
    """One attestation of exactly this file that verified: by whom, when a log took it in, below which trust root."""

    identity: Identity
    predicate: str
    logged: datetime
    entry: int
    root: Path | None = None


class Provenance(NamedTuple):
    """What was found out about one file; `problem` says why nothing verified, `unreachable` that nobody answered."""

    attested: tuple[Attested, ...] = ()
    problem: str | None = None
    unreachable: bool = False


class State(Enum):
    """How a file stands to the rules."""

    VERIFIED = "verified"
    MISSING = "missing"
    MISMATCH = "mismatch"


class Origin(NamedTuple):
    """One file held to its rules; `text` is a clause for people, `attested` what verified and was compared.

    `places` are the lines of the rules. `elsewhere`: the file's index is not the one that the rules bind it to.
    """

    state: State
    text: str
    required: bool
    places: tuple[str, ...]
    attested: Attested | None = None
    elsewhere: bool = False
    unreachable: bool = False


def bound_by(rules: Iterable[Publisher], name: str) -> tuple[Publisher, ...]:
    """Return the rules for a package (normalised name): those whose `package` is most exact."""
    fitting = [one for one in rules if fnmatchcase(name, one.package)]
    best = max((_exactness(one.package) for one in fitting), default=None)
    return tuple(one for one in fitting if _exactness(one.package) == best)


def judge(rules: Sequence[Publisher], file: File, provenance: Provenance | None) -> Origin | None:
    """Hold a file to its rules, at least one; None if its provenance is needed first."""
    places = tuple(one.where for one in rules)
    required = any(one.required for one in rules)
    here = [one for one in rules if one.index is None or (same_index(one.index, file.index) and not file.claimed)]
    if not here:
        expected = " or ".join(dict.fromkeys(one.index or "" for one in rules))
        text = f"{'said to be ' if file.claimed else ''}listed by {file.index}, expected {expected}"
        return Origin(state=State.MISMATCH, text=text, required=required, places=places, elsewhere=True)
    if provenance is None:
        return None
    for attested in provenance.attested:
        if any(one.trust_root == attested.root and not _differences(one, attested.identity) for one in here):
            text = describe(attested.identity)
            return Origin(state=State.VERIFIED, text=text, required=required, places=places, attested=attested)
    trusted = [one for one in provenance.attested if any(rule.trust_root == one.root for rule in here)]
    if trusted:
        text = _mismatch(here, trusted[0].identity)
        return Origin(state=State.MISMATCH, text=text, required=required, places=places, attested=trusted[0])
    text = provenance.problem or "none served"
    if required:
        text += f"; required by {', '.join(one.where for one in rules if one.required)}"
    return Origin(state=State.MISSING, text=text, required=required, places=places, unreachable=provenance.unreachable)


def facts(identity: Identity) -> dict[str, str]:
    """Return what a certificate says under the keys of the policy; what it does not say is empty.

    `workflow` is empty too where the certificate's parts contradict each other.
    """
    kind = _KINDS.get(identity.issuer, "URL")
    base = _GITHUB if kind == "GitHub" else identity.issuer
    repository = identity.repository.removeprefix(f"{base}/")
    workflow = ""
    start = f"{identity.repository}{'/.github/workflows/' if kind == 'GitHub' else '//'}"
    for end in (f"@{identity.ref}", f"@{identity.commit}"):
        if len(end) > 1 and identity.workflow.startswith(start) and identity.workflow.endswith(end):
            workflow = identity.workflow.removeprefix(start).removesuffix(end)
            break
    return {
        "kind": kind,
        "issuer": identity.issuer,
        "identity": identity.subject,
        "repository": repository,
        "workflow": workflow,
        "ref": identity.ref,
        "environment": identity.environment,
        "runner": identity.runner,
        "owner-id": identity.owner_id,
        "repository-id": identity.repository_id,
    }


def describe(identity: Identity) -> str:
    """Write a publisher in a few words: `GitHub acme-org/acme-sign release.yml`."""
    return _described(facts(identity))


def same_index(one: str, other: str) -> bool:
    """Tell whether two addresses name the same index: case of the host, default port and a last slash do not count."""
    return one == other or _canonical(one) == _canonical(other)


def _expected(rule: Publisher) -> dict[str, str]:
    """Return what a rule asks for, by key."""
    asked = {
        "issuer": rule.issuer or ISSUERS.get(rule.kind),
        "identity": rule.identity,
        "repository": rule.repository,
        "workflow": rule.workflow,
        "ref": rule.ref,
        "environment": rule.environment,
        "runner": rule.runner,
        "owner-id": rule.owner_id,
        "repository-id": rule.repository_id,
    }
    return {key: value for key, value in asked.items() if value is not None}


def _differences(rule: Publisher, identity: Identity) -> list[str]:
    found = facts(identity)
    expected = _expected(rule)
    if not expected.keys() & {"identity", "repository"}:
        return ["identity"]  # a rule that names nobody fits nobody
    return [
        key
        for key, value in expected.items()
        if not (fnmatchcase(found[key], value) if key == "ref" else found[key] == value)
    ]


def _mismatch(rules: Sequence[Publisher], identity: Identity) -> str:
    """Say what was found and what was expected: the names, and of the other keys those that differ."""
    found = facts(identity)
    differing = {one: [key for key in _differences(one, identity) if key not in _NAMED] for one in rules}
    keys = dict.fromkeys(key for one in rules for key in differing[one])
    said = _described(found) + "".join(f", {key} {found[key] or 'not stated'}" for key in keys)
    wanted = []
    for one in rules:
        expected = {"kind": one.kind, "identity": "", **_expected(one)}
        words = _described(expected).removeprefix(f"{found['kind']} ")
        wanted.append(words + "".join(f", {key} {expected[key]}" for key in differing[one]))
    return f"{said}, expected {' or '.join(dict.fromkeys(wanted))}"


def _described(said: dict[str, str]) -> str:
    if said["kind"] in ("GitHub", "GitLab") or said.get("workflow"):
        kind = said["kind"] if said["kind"] != "URL" else said["issuer"]
        return f"{kind} {said['repository']} {said['workflow'] or '(no workflow)'}"
    return f"{said['issuer'] if said['kind'] == 'URL' else said['kind']} {said['identity']}"


def _exactness(pattern: str) -> tuple[bool, int]:
    """Order `package` keys: a name before patterns, then by how much they spell out."""
    return "*" not in pattern, len(pattern.replace("*", ""))


def _canonical(url: str) -> str:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return url
    default = {"https": 443, "http": 80}.get(parts.scheme)
    at = (parts.hostname or "") + (f":{port}" if port not in (None, default) else "")
    return f"{parts.scheme}://{at}{parts.path.rstrip('/')}"
