"""Keys of the two trees: subjects and key fingerprints as bytes that sort (protocol, section 5)."""

from __future__ import annotations

from openvet_install.openvet.faults import HASH_BYTES, LogInvalid
from openvet_install.openvet.subject import Subject, SubjectError, TaggedHash

_NUL = b"\0"
_FIELDS_BEFORE_DIGEST = 5
_KEYSET_TAG = b"sha256:"
_DIGEST_BYTES = {
    "sha1": 20,
    "sha256": 32,
    "blake3": 32,
    "blake2b-256": 32,
    "sha384": 48,
    "sha512": 64,
}


def subject_key(subject: Subject) -> bytes:
    """Return the audit tree's key: five texts and the raw digest, separated by NUL."""
    texts = (subject.registry, subject.package, subject.version, subject.variant or "", subject.hash.algorithm)
    return "\0".join(texts).encode() + _NUL + subject.hash.digest


def package_prefix(registry: str, package: str) -> bytes:
    """Return what the keys of all files of one package begin with, the closing NUL included."""
    return f"{registry}\0{package}\0".encode()


def parse_subject_key(key: bytes) -> Subject:
    """Read a key of the audit tree; the digest's length must fit its algorithm.

    Raises `LogInvalid` with rule `subject-key-invalid`.
    """
    parts = key.split(_NUL, _FIELDS_BEFORE_DIGEST)
    if len(parts) != _FIELDS_BEFORE_DIGEST + 1:
        raise _invalid("it has too few fields")
    digest = parts.pop()
    try:
        registry, package, version, variant, algorithm = (part.decode() for part in parts)
        tagged = TaggedHash(TaggedHash.from_bytes(algorithm.encode() + b":\0").algorithm, digest)
    except (UnicodeDecodeError, SubjectError) as error:
        raise _invalid("a field of it is not text") from error
    if len(digest) != _DIGEST_BYTES.get(tagged.algorithm, len(digest)):
        raise _invalid(f"{len(digest)} bytes are no {tagged.algorithm} digest")
    return Subject(registry, package, version, variant or None, tagged)


def check_subject(subject: Subject) -> None:
    """Refuse a subject whose key would not read back, such as one with a cut digest or a NUL.

    Raises `LogInvalid` with rule `subject-key-invalid`.
    """
    if parse_subject_key(subject_key(subject)) != subject:
        raise _invalid("it is ambiguous")


def keyset_key(fingerprint: bytes) -> bytes:
    """Return the keyset tree's key for the 32 raw bytes of a fingerprint: its text form."""
    return _KEYSET_TAG + fingerprint.hex().encode()


def parse_keyset_key(key: bytes) -> bytes:
    """Return the 32 raw bytes of the fingerprint; raises `LogInvalid` (`invalid-keyset-fingerprint`)."""
    try:
        digest = bytes.fromhex(key.removeprefix(_KEYSET_TAG).decode("ascii"))
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES or keyset_key(digest) != key:
        raise LogInvalid("invalid-keyset-fingerprint", "a key of the keyset tree is no fingerprint")
    return digest


def _invalid(what: str) -> LogInvalid:
    return LogInvalid("subject-key-invalid", f"a key of the audit tree names no subject: {what}")
