"""What an audit says, decoded (protocol, section 3). Every text in it is the author's: escape it before printing."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple

from openvet_install.openvet.faults import HASH_BYTES, LogInvalid
from openvet_install.openvet.schema import parse
from openvet_install.openvet.subject import Subject, SubjectError, TaggedHash
from openvet_install.openvet.urls import is_absolute

SEVERITIES = {1: "low", 2: "medium", 3: "high", 4: "critical"}
CLASSES = {1: "performance", 2: "security", 3: "safety", 4: "correctness", 5: "quality", 6: "legal"}
SCOPES = {1: "runtime", 2: "build"}

_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9._-]*", re.ASCII)
_COMMIT_BYTES = (20, 32)


class LineRange(NamedTuple):
    """Lines from `start` to `end`, from 0, both inclusive."""

    start: int
    end: int
    body: str


class Annotation(NamedTuple):
    """A remark on a path; `content_hash` is BLAKE2b-256 of the file, or None for a folder."""

    path: str
    body: str
    content_hash: bytes | None
    lines: tuple[LineRange, ...]


class Finding(NamedTuple):
    """Something found, with words from `SEVERITIES` and `CLASSES`."""

    title: str
    description: str
    severity: str
    category: str


class Dependency(NamedTuple):
    """A dependency that the author names, with a word from `SCOPES`."""

    registry: str
    package: str
    requirement: str
    scope: str
    optional: bool
    description: str


class Diff(NamedTuple):
    """The audit looked at the difference to `source` and at the audits named (raw hashes)."""

    source: Subject
    consulted_audits: tuple[bytes, ...]


class Vcs(NamedTuple):
    """Where the source is said to be kept; `commit` has 20 or 32 raw bytes."""

    url: str
    commit: bytes | None
    subdirectory: bytes | None


class AuditContent(NamedTuple):
    """One decoded `Audit` message. `created_at` is Unix seconds, says the author."""

    subject: Subject
    claims: dict[str, bool]
    report: str
    summary: str
    created_at: int
    attributes: dict[str, str]
    annotations: tuple[Annotation, ...]
    findings: tuple[Finding, ...]
    dependencies: tuple[Dependency, ...]
    diff: Diff | None
    vcs: Vcs | None


def decode_audit(raw: bytes) -> AuditContent:
    """Decode the signed bytes of an audit; raises `LogInvalid` (`decode` or a narrower rule)."""
    message = parse("Audit", raw)
    subject = subject_of(message)
    claims = [(one.name, one.value) for one in message.claims]
    _ascending([name for name, _ in claims], "claims-not-canonical", "claims")
    return AuditContent(
        subject=subject,
        claims=dict(claims),
        report=message.report,
        summary=message.summary,
        created_at=message.created_at,
        attributes=_attributes(message),
        annotations=_annotations(message),
        findings=tuple(_finding(one) for one in message.findings),
        dependencies=_dependencies(message),
        diff=_diff(message.diff, subject) if message.HasField("diff") else None,
        vcs=_vcs(message.vcs) if message.HasField("vcs") else None,
    )


def hash_of(data: bytes, what: str) -> bytes:
    """Return `data` if it has the length of a name; raises `LogInvalid` with rule `decode`."""
    if len(data) != HASH_BYTES:
        raise LogInvalid("decode", f"{what}: {len(data)} bytes are no hash")
    return data


def subject_of(message: Any, field: str = "subject") -> Subject:
    """Decode the `Subject` in a field that must be there; a NUL in it is refused."""
    require(message, field)
    one = getattr(message, field)
    variant = one.variant if one.HasField("variant") else None
    if variant is not None and not variant:
        raise LogInvalid("variant-empty", "a variant is set but empty")
    if "\0" in one.registry or "\0" in one.package or "\0" in one.version or "\0" in (variant or ""):
        raise LogInvalid("decode", "a NUL in a subject")
    try:
        tagged = TaggedHash.parse(one.hash)
    except SubjectError as error:
        raise LogInvalid("decode", f"the hash of a subject is {error.what}") from error
    return Subject(one.registry, one.package, one.version, variant, tagged)


def require(message: Any, field: str) -> None:
    """Refuse a message without `field`; raises `LogInvalid` with rule `decode`."""
    if not message.HasField(field):
        raise LogInvalid("decode", f"`{field}` is missing in a `{message.DESCRIPTOR.name}` message")


def _ascending(values: list[Any], rule: str, what: str) -> None:
    # Code points sort as UTF-8 bytes do, so comparing `str` is comparing bytes.
    if any(one >= two for one, two in pairwise(values)):
        raise LogInvalid(rule, f"{what} are not in ascending order")


def _attributes(message: Any) -> dict[str, str]:
    pairs = [(one.name, one.value) for one in message.attributes]
    for name, _ in pairs:
        if _ATTRIBUTE_NAME.fullmatch(name) is None:
            raise LogInvalid("attribute-name-invalid", f"not the name of an attribute: `{name[:40]}`")
    _ascending([name for name, _ in pairs], "decode", "attributes")
    return dict(pairs)


def _annotations(message: Any) -> tuple[Annotation, ...]:
    found = tuple(_annotation(one) for one in message.annotations)
    _ascending([one.path for one in found], "decode", "annotations")
    return found


def _annotation(message: Any) -> Annotation:
    if not message.path:
        raise LogInvalid("decode", "an annotation without a path")
    target = message.WhichOneof("target")
    if target is None:
        raise LogInvalid("decode", "an annotation without a target")
    if target == "directory":
        return Annotation(message.path, message.body, None, ())
    lines = tuple(LineRange(one.start, one.end, one.body) for one in message.file.lines)
    if any(one.end < one.start for one in lines):
        raise LogInvalid("decode", "an annotation ends before it starts")
    return Annotation(message.path, message.body, hash_of(message.file.content_hash, "content_hash"), lines)


def _finding(message: Any) -> Finding:
    if not message.title:
        raise LogInvalid("decode", "a finding without a title")
    if message.severity not in SEVERITIES:
        raise LogInvalid("severity-unspecified", "a finding without a known severity")
    category = getattr(message, "class")
    if category not in CLASSES:
        raise LogInvalid("decode", "a finding without a known class")
    return Finding(message.title, message.description, SEVERITIES[message.severity], CLASSES[category])


def _dependencies(message: Any) -> tuple[Dependency, ...]:
    found = tuple(_dependency(one) for one in message.dependencies)
    _ascending([(one.registry, one.package, one.requirement) for one in found], "decode", "dependencies")
    return found


def _dependency(message: Any) -> Dependency:
    if not message.registry or not message.package:
        raise LogInvalid("decode", "a dependency without a name")
    if not message.requirement:
        raise LogInvalid("dependency-requirement-empty", "a dependency without a requirement")
    if message.scope not in SCOPES:
        raise LogInvalid("decode", "a dependency without a known scope")
    return Dependency(
        message.registry,
        message.package,
        message.requirement,
        SCOPES[message.scope],
        message.optional,
        message.description,
    )


def _diff(message: Any, subject: Subject) -> Diff:
    source = subject_of(message, "source")
    same = (source.registry, source.package, source.variant) == (subject.registry, subject.package, subject.variant)
    if not same or source.hash == subject.hash:
        raise LogInvalid("diff-mismatch", "the source of a diff is no other file of the same package and variant")
    return Diff(source, tuple(hash_of(one, "consulted_audits") for one in message.consulted_audits))


def _vcs(message: Any) -> Vcs:
    if message.WhichOneof("kind") is None:
        raise LogInvalid("decode", "a source repository of no kind")
    subdirectory = message.subdirectory if message.HasField("subdirectory") else None
    if subdirectory is not None and not subdirectory:
        raise LogInvalid("decode", "a subdirectory is set but empty")
    commit = message.git.commit if message.git.HasField("commit") else None
    if commit is not None and len(commit) not in _COMMIT_BYTES:
        raise LogInvalid("decode", f"{len(commit)} bytes are no hash of a git commit")
    if not is_absolute(message.git.url):
        raise LogInvalid("decode", "the URL of a git repository is not absolute")
    return Vcs(message.git.url, commit, subdirectory)
