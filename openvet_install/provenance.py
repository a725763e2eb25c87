"""Provenance as PEP 740 has it: one document verified for one file, offline; the only door to `sigstore`.

An attestation counts if all of this holds:

1. it has the shape of PEP 740: a certificate, an entry of a transparency log, a signed statement;
2. `sigstore` verifies certificate, entry and signature below a trust root: the one that it brings, or a given file.
   Never one that lies in a cache, where others may have put it;
3. what was signed is an in-toto statement v1 about exactly one subject: this file's name and sha256;
4. its predicate speaks of a build: SLSA provenance v1, or the publish attestation of PEP 740, which has no predicate;
5. the certificate says who, in one way only.

No policy is known here, and what the document says about its publisher is not read. The import costs a second.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from datetime import date, datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pip._internal.models.index import PyPI  # the public index's name, see `installers.commands`

from openvet_install.errors import ConfigError
from openvet_install.files import FilenameError, parse_filename
from openvet_install.publishers import Attested, Identity, Provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from cryptography.x509 import Certificate, Extensions
    from sigstore.verify import Verifier

MAX_DOCUMENT = 1 << 20  # bytes
MAX_ATTESTATIONS = 32  # looked at in one document
MAX_WORDS = 200  # characters of what a library says
EXTRA = "openvet-install[provenance]"

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD = "application/vnd.in-toto+json"
PUBLISH = f"https://docs.{PyPI.netloc}/attestations/publish/v1"  # PEP 740
SLSA = "https://slsa.dev/provenance/v1"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_ENTRY_KEYS = (
    *("logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody"),
)
_PRODUCTION = "https://tuf-repo-cdn.sigstore.dev"

_FULCIO = "1.3.6.1.4.1.57264.1"
_OTHER_NAME = f"{_FULCIO}.7"
_CLAIMS = {
    "issuer": f"{_FULCIO}.8",
    "runner": f"{_FULCIO}.11",
    "repository": f"{_FULCIO}.12",
    "commit": f"{_FULCIO}.13",
    "ref": f"{_FULCIO}.14",
    "repository_id": f"{_FULCIO}.15",
    "owner_id": f"{_FULCIO}.17",
    "workflow": f"{_FULCIO}.18",
    "run": f"{_FULCIO}.21",
    "environment": f"{_FULCIO}.23",
}
"""Extensions of Fulcio's certificates, each a DER UTF8String."""


class _RefusedError(ValueError):
    """Something in a document that does not count, in words."""


class TrustRoot(NamedTuple):
    """A root of trust: how people call it, and the day from which its newest key holds."""

    name: str
    newest: date | None


@lru_cache(maxsize=1)
def installed() -> str | None:
    """Return the version of `sigstore`, None without the extra; nothing is imported."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - costs time

    try:
        return version("sigstore")
    except PackageNotFoundError:
        return None


def trust_root(path: Path | None) -> TrustRoot:
    """Return what people should know of a trust root; raises `ConfigError` if it cannot be read."""
    raw = path.read_bytes() if path is not None else _built_in().read_bytes()
    try:
        found = json.loads(raw)
        keys = [*found.get("tlogs", ()), *found.get("ctlogs", ()), *found.get("certificateAuthorities", ())]
        starts = [(one.get("publicKey") or one).get("validFor", {}).get("start", "")[:10] for one in keys]
        newest = max((date.fromisoformat(one) for one in starts if one), default=None)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(path) from error
    return TrustRoot(str(path) if path is not None else f"sigstore {installed()}", newest)


def verify(document: bytes, *, filename: str, sha256: str, roots: Iterable[Path | None]) -> Provenance:
    """Verify a provenance document for one file below each root; never raises for what the document holds.

    Raises `ConfigError` for a trust root that cannot be read.
    """
    if installed() is None:
        return Provenance(problem=f"cannot verify, {EXTRA} is not installed")
    if len(document) > MAX_DOCUMENT:
        return Provenance(problem=f"larger than {MAX_DOCUMENT} bytes")
    try:
        verifiers = {root: _verifier(root) for root in roots}
    except ImportError as error:
        return Provenance(problem=f"cannot verify, sigstore cannot be imported: {_words(error)}")
    attested: list[Attested] = []
    problems: list[str] = []
    try:
        for one in _attestations(document):
            for root, verifier in verifiers.items():
                try:
                    attested.append(_verified(one, verifier, root, filename, sha256))
                except Exception as error:  # noqa: BLE001 - whatever a document provokes, it did not verify
                    problems.append(_words(error))
    except _RefusedError as error:
        problems.append(str(error))
    if attested:
        return Provenance(attested=tuple(attested))
    return Provenance(problem=problems[0] if problems else "served, but it holds no attestation")


def _attestations(document: bytes) -> Iterator[dict[str, Any]]:
    """Yield the attestations of a provenance object; raises `_RefusedError` for what is none."""
    try:
        found = json.loads(document, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _RefusedError("not JSON as it should be") from error
    if type(found) is not dict or type(found.get("version")) is not int or found["version"] != 1:
        raise _RefusedError("no provenance object of version 1")
    bundles = found.get("attestation_bundles")
    listed = [
        one
        for bundle in (bundles if type(bundles) is list else ())
        if type(bundle) is dict and type(bundle.get("attestations")) is list
        for one in bundle["attestations"]
        if type(one) is dict
    ]
    yield from listed[:MAX_ATTESTATIONS]
    if len(listed) > MAX_ATTESTATIONS:
        raise _RefusedError(f"more than {MAX_ATTESTATIONS} attestations")


def _verified(
    attestation: dict[str, Any], verifier: Verifier, root: Path | None, filename: str, sha256: str
) -> Attested:
    from sigstore.models import Bundle  # noqa: PLC0415 - heavy, only where a rule asks

    if type(attestation.get("version")) is not int or attestation["version"] != 1:
        raise _RefusedError("no attestation of version 1")
    material, envelope = _table(attestation, "verification_material"), _table(attestation, "envelope")
    entries = material.get("transparency_entries")
    if type(entries) is not list or not entries or type(entries[0]) is not dict:
        raise _RefusedError("an attestation without an entry of a log")
    entry = {key: entries[0][key] for key in _ENTRY_KEYS if key in entries[0]}
    bundle = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {"certificate": {"rawBytes": _base64(material, "certificate")}, "tlogEntries": [entry]},
        "dsseEnvelope": {
            "payload": _base64(envelope, "statement"),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": _base64(envelope, "signature")}],
        },
    }
    reader = _Reader()
    kind, payload = verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), reader)
    if kind != PAYLOAD or reader.identity is None:
        raise _RefusedError("what was signed is no in-toto statement")
    predicate = _about(payload, filename, sha256)
    logged = datetime.fromtimestamp(int(entry["integratedTime"]), timezone.utc)
    return Attested(
        identity=reader.identity, predicate=predicate, logged=logged, entry=int(entry["logIndex"]), root=root
    )


class _Reader:
    """Reads who signed, at the place where `sigstore` asks for a policy: certificate and log are verified with it."""

    identity: Identity | None = None

    def verify(self, cert: Certificate) -> None:
        """Read a certificate."""
        self.identity = identity_of(cert)


def identity_of(certificate: Certificate) -> Identity:
    """Return what a certificate says of its holder; raises `ValueError` if that is not said in one way only."""
    from cryptography.x509 import OtherName, RFC822Name, SubjectAlternativeName, UniformResourceIdentifier  # noqa: PLC0415

    extensions = certificate.extensions
    names = list(extensions.get_extension_for_class(SubjectAlternativeName).value)
    if len(names) != 1:
        raise _RefusedError("its certificate has more than one subject, or none")
    (name,) = names
    if isinstance(name, OtherName) and name.type_id.dotted_string == _OTHER_NAME:
        subject = _utf8(name.value)
    elif isinstance(name, RFC822Name | UniformResourceIdentifier):
        subject = name.value
    else:
        raise _RefusedError("its certificate's subject is neither a URL nor an address")
    claims = {key: _claim(extensions, oid) for key, oid in _CLAIMS.items()}
    if not claims["issuer"]:
        raise _RefusedError("its certificate does not say who vouched for the identity")
    return Identity(subject=subject, **claims)


def _claim(extensions: Extensions, oid: str) -> str:
    from cryptography.x509 import ExtensionNotFound, ObjectIdentifier, UnrecognizedExtension  # noqa: PLC0415

    try:
        found = extensions.get_extension_for_oid(ObjectIdentifier(oid)).value
    except ExtensionNotFound:
        return ""
    return _utf8(found.value) if isinstance(found, UnrecognizedExtension) else ""


def _utf8(der: bytes) -> str:
    """Read a DER UTF8String that fills its place exactly."""
    if len(der) < 2 or der[0] != 0x0C:
        raise _RefusedError("its certificate holds something that is no UTF8String")
    long = der[1] & 0x7F if der[1] & 0x80 else 0
    size = int.from_bytes(der[2 : 2 + long], "big") if long else der[1]
    if der[1] == 0x80 or long > 2 or len(der) != 2 + long + size or (long and size < 0x80):
        raise _RefusedError("its certificate holds a string of another length than it says")
    return der[2 + long :].decode("utf-8")


def _about(payload: bytes, filename: str, sha256: str) -> str:
    """Return the type of what a statement says of exactly this file; raises `_RefusedError` if it is not about it."""
    try:
        statement = json.loads(payload, object_pairs_hook=_once)
    except RecursionError as error:
        raise _RefusedError("its statement is nested too deeply") from error
    if type(statement) is not dict or statement.get("_type") != STATEMENT:
        raise _RefusedError("its statement is none of in-toto v1")
    subjects = statement.get("subject")
    if type(subjects) is not list or len(subjects) != 1 or type(subjects[0]) is not dict:
        raise _RefusedError("its statement is not about exactly one file")
    name, digest = subjects[0].get("name"), subjects[0].get("digest")
    found = digest.get("sha256") if type(digest) is dict else None
    if type(name) is not str or found != sha256 or not _same_file(name, filename):
        raise _RefusedError(f"it attests {_words(name)} sha256:{_words(found)[:12]}, not this file")
    kind, predicate = statement.get("predicateType"), statement.get("predicate")
    if kind == PUBLISH and predicate in (None, {}):
        return PUBLISH
    if (
        kind == SLSA
        and type(predicate) is dict
        and all(predicate.get(key) for key in ("buildDefinition", "runDetails"))
    ):
        return SLSA
    raise _RefusedError(f"a statement of the type {_words(kind)} with such a predicate tells of no build")


def _same_file(name: str, filename: str) -> bool:
    """Tell whether two file names spell the same name, version and tags."""
    if name == filename:
        return True
    try:
        return name.endswith(".whl") == filename.endswith(".whl") and parse_filename(name) == parse_filename(filename)
    except FilenameError:
        return False


@lru_cache(maxsize=16)
def _verifier(root: Path | None) -> Verifier:
    from sigstore.models import TrustedRoot  # noqa: PLC0415 - heavy, only where a rule asks
    from sigstore.verify import Verifier  # noqa: PLC0415 - as above

    logging.getLogger("sigstore").addHandler(logging.NullHandler())  # it would print into the terminal
    try:
        if root is None:
            from importlib.resources import as_file  # noqa: PLC0415 - as above

            with as_file(_built_in()) as path:
                return Verifier(trusted_root=TrustedRoot.from_file(str(path)))
        return Verifier(trusted_root=TrustedRoot.from_file(str(root)))
    except Exception as error:
        raise _unreadable(root) from error


def _built_in() -> Traversable:
    from importlib.resources import files  # noqa: PLC0415 - costs time

    return files("sigstore").joinpath("_store", quote(_PRODUCTION, safe=""), "trusted_root.json")


def _unreadable(root: Path | None) -> ConfigError:
    if root is None:
        return ConfigError(
            f"the installed sigstore {installed()} has no trust root that we can read", hint=f"pip install '{EXTRA}'"
        )
    return ConfigError("`trust-root` is no trusted root of Sigstore", where=str(root))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _table(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    if type(found) is not dict:
        raise _RefusedError(f"an attestation without `{key}`")
    return found


def _base64(value: dict[str, Any], key: str) -> str:
    """Return base64 without the line breaks that some writers put into it."""
    text = value.get(key)
    if type(text) is not str:
        raise _RefusedError(f"an attestation without `{key}`")
    try:
        return base64.b64encode(base64.b64decode(text.replace("\n", ""), validate=True)).decode()
    except binascii.Error as error:
        raise _RefusedError(f"`{key}` of an attestation is not base64") from error


def _words(said: object) -> str:
    """Return in one printable line what a library or a stranger says."""
    text = " ".join(str(said).split())
    return "".join(one if one.isprintable() else "\ufffd" for one in text)[:MAX_WORDS]
