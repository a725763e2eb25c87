"""OpenSSH public keys and SSHSIG signatures (protocol, section 4).

Two kinds of keys verify, `ssh-ed25519` and `sk-ssh-ed25519@openssh.com`, as in OpenVet 0.6. All
others are read, so that a log may name them, and every signature by them fails.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from openvet_install.openvet.faults import LogInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

_Found = TypeVar("_Found")

COMMIT_NAMESPACE = "openvet-commit-v1"
AUDIT_NAMESPACE = "openvet-audit-v1"
PROOF_NAMESPACE = "openvet-keyset-pop-v1"

ED25519 = "ssh-ed25519"
SK_ED25519 = "sk-ssh-ed25519@openssh.com"

_STRING_MAX_BYTES = 1048575
_LINE_CHARACTERS = 70
_MAGIC = b"SSHSIG"
_BOUNDARY = b"-----BEGIN "
_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_LINE_END = re.compile(r"\r\n|\n|\r")
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_SK_TAIL_BYTES = 5
_REMEMBERED_BYTES = 2048

# What the strings after the algorithm's name are.
_KEY_PARTS = {
    ED25519: ("ed25519",),
    SK_ED25519: ("ed25519", "text"),
    "ssh-rsa": ("number", "number"),
    "ssh-dss": ("number", "number", "number", "number"),
    "ecdsa-sha2-nistp256": ("nistp256", "point"),
    "ecdsa-sha2-nistp384": ("nistp384", "point"),
    "ecdsa-sha2-nistp521": ("nistp521", "point"),
    "sk-ecdsa-sha2-nistp256@openssh.com": ("nistp256", "point", "text"),
}
_CURVE_BYTES = {b"nistp256": 32, b"nistp384": 48, b"nistp521": 66}
_OTHER_ALGORITHM = re.compile(r"[^@]+@[^@]+", re.ASCII)
_MAX_ALGORITHM = 64


def _remembered(compute: Callable[..., _Found]) -> Callable[..., _Found]:
    """Remember answers about short keys only: a log may hold thousands of long ones, and must not fill our memory."""
    kept = lru_cache(maxsize=1024)(compute)

    def answer(blob: bytes, *more: str) -> _Found:
        return (kept if len(blob) <= _REMEMBERED_BYTES else compute)(blob, *more)

    return answer


class _BlobError(ValueError):
    """Bytes that are no sequence of length-prefixed strings."""


class PublicKey(NamedTuple):
    """A key in OpenSSH's wire form (`blob`); `parts` are the strings after the algorithm's name."""

    algorithm: str
    blob: bytes
    parts: tuple[bytes, ...]

    @classmethod
    def parse(cls, stated: str, blob: bytes) -> PublicKey:
        """Read the wire form; `stated` must be the algorithm inside and nothing may follow.

        Raises `LogInvalid` with rule `decode`.
        """
        try:
            return _parse_key(blob, stated)
        except _BlobError as error:
            raise LogInvalid("decode", f"not a public key: {error}") from error

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the wire form, 32 raw bytes."""
        return _sha256(self.blob)

    @property
    def openssh(self) -> str:
        """The fingerprint as `ssh-keygen -l` prints it: `SHA256:` and base64 without padding."""
        return openssh_fingerprint(self.fingerprint)


@_remembered
def _sha256(blob: bytes) -> bytes:
    return hashlib.sha256(blob).digest()


def openssh_fingerprint(digest: bytes) -> str:
    """Return `SHA256:base64` for the 32 raw bytes of a fingerprint."""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def parse_fingerprint(text: str) -> bytes | None:
    """Return the 32 raw bytes of `SHA256:base64`, or None if the text is not exactly what we would print."""
    try:
        digest = base64.b64decode(text.removeprefix("SHA256:") + "=", validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == 32 and openssh_fingerprint(digest) == text else None


@_remembered
def _parse_key(blob: bytes, stated: str) -> PublicKey:
    name, rest = _string(blob)
    try:
        algorithm = name.decode("ascii")
    except UnicodeDecodeError as error:
        raise _BlobError("its algorithm is not ASCII") from error
    if algorithm != stated:
        raise _BlobError(f"it is stated to be `{stated}` and is `{algorithm}`")
    kinds = _KEY_PARTS.get(algorithm, ("any",))
    if kinds == ("any",) and (_OTHER_ALGORITHM.fullmatch(algorithm) is None or len(algorithm) > _MAX_ALGORITHM):
        raise _BlobError("its algorithm is not known and no name of somebody's own")
    parts: list[bytes] = []
    for kind in kinds:
        part, rest = _string(rest)
        if not _is_part(kind, part, parts):
            raise _BlobError(f"it has no {kind} where one belongs")
        parts.append(part)
    if rest:
        raise _BlobError("bytes are left over")
    return PublicKey(algorithm, blob, tuple(parts))


def _is_part(kind: str, part: bytes, before: list[bytes]) -> bool:
    if kind == "ed25519":
        return len(part) == 32
    if kind == "number":  # of the shortest form
        return part[:1] != b"\0" or part[1:2] >= b"\x80"
    if kind == "point":
        coordinates = {b"\2": 1, b"\3": 1, b"\4": 2}.get(part[:1], 0)
        return len(part) == 1 + coordinates * _CURVE_BYTES[before[0]] > 1
    if kind == "text":
        return part == part.decode("utf-8", "replace").encode()
    return kind == "any" or part == kind.encode()


def verify(armored: bytes, *, key: PublicKey, namespace: str, message: bytes) -> None:
    """Check an armored SSHSIG over `message`; steps as in the protocol, the first failure ends it.

    Raises `LogInvalid` with rule `signature-invalid`.
    """
    blob = _dearmor(armored)  # 1
    try:
        embedded, found_namespace, reserved, hash_name, signature = _fields(blob)  # 2
    except _BlobError as error:
        raise _invalid(f"not a signature: {error}") from error
    if found_namespace != namespace.encode():  # 3
        raise _invalid("signature is made for another purpose")
    if embedded != key.blob:  # 4
        raise _invalid("signature is made by another key than the one stated")
    hashed = _HASHES[hash_name](message).digest()
    signed = b"".join((_MAGIC, _s(found_namespace), _s(reserved), _s(hash_name), _s(hashed)))
    _check(key, signature, signed)  # 5


def _invalid(what: str) -> LogInvalid:
    return LogInvalid("signature-invalid", what)


def _dearmor(armored: bytes) -> bytes:
    start = 0 if armored.startswith(_BOUNDARY) else armored.find(b"\n" + _BOUNDARY) + 1
    if (not start and not armored.startswith(_BOUNDARY)) or b"\0" in armored[:start]:
        raise _invalid("not an armored signature")
    try:
        text = armored[start:].decode("ascii")  # the text before is free
    except UnicodeDecodeError as error:
        raise _invalid("the armored signature is not ASCII") from error
    lines = _LINE_END.split(text)
    if not lines[-1]:
        lines.pop()
    if len(lines) < 2 or lines[0] != _BEGIN or lines[-1] != _END:
        raise _invalid("not an armored signature")
    body = lines[1:-1]
    if len(body) > 1 and not body[-1]:
        body.pop()
    sizes = [len(line) for line in body]
    if not sizes or any(size != _LINE_CHARACTERS for size in sizes[:-1]) or not 0 < sizes[-1] <= _LINE_CHARACTERS:
        raise _invalid("the lines of the armored signature have a wrong length")
    joined = "".join(body)
    try:
        blob = base64.b64decode(joined, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("the armored signature is not base64") from error
    if base64.b64encode(blob).decode() != joined:
        raise _invalid("the armored signature is not canonical base64")
    return blob


def _fields(blob: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    if blob[:6] != _MAGIC:
        raise _BlobError("it does not begin like one")
    if len(blob) < 10 or int.from_bytes(blob[6:10], "big") > 1:
        raise _BlobError("its version is not known")
    rest = blob[10:]
    fields = []
    for _ in range(5):
        field, rest = _string(rest)
        fields.append(field)
    if rest:
        raise _BlobError("bytes are left over")
    key, namespace, reserved, hash_name, signature = fields
    if not namespace:
        raise _BlobError("its namespace is empty")
    if hash_name not in _HASHES:
        raise _BlobError("its hash is neither sha512 nor sha256")
    return key, namespace, reserved, hash_name, signature


def _check(key: PublicKey, signature: bytes, signed: bytes) -> None:
    try:
        algorithm, rest = _string(signature)
        raw, tail = _string(rest)
    except _BlobError as error:
        raise _invalid(f"not a signature: {error}") from error
    if key.algorithm not in (ED25519, SK_ED25519):
        raise _invalid(f"signatures by `{key.algorithm}` keys cannot be checked")
    if algorithm != key.algorithm.encode() or len(raw) != 64:
        raise _invalid("signature does not fit its key")
    if key.algorithm == SK_ED25519:
        if len(tail) != _SK_TAIL_BYTES:
            raise _invalid("signature does not fit its key")
        signed = hashlib.sha256(key.parts[1]).digest() + tail + hashlib.sha256(signed).digest()
    elif tail:
        raise _invalid("bytes are left over in the signature")
    try:
        _loaded(key.parts[0]).verify(raw, signed)
    except (InvalidSignature, ValueError) as error:
        raise _invalid("signature does not verify") from error


@lru_cache(maxsize=1024)
def _loaded(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


def _s(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _string(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    end = 4 + size
    if len(data) < end or len(data) < 4:
        raise _BlobError("it is cut off")
    if size > _STRING_MAX_BYTES:
        raise _BlobError("a part of it is too long")
    return data[4:end], data[end:]
