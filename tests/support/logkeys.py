"""Keys of simulated logs, and the small messages that are signed with them."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openvet_install.openvet import sshsig
from openvet_install.openvet.schema import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.openvet.subject import Subject

CAPABILITIES = {"auditor": 1, "publisher": 2, "operator": 3}
ALL = tuple(CAPABILITIES)


class SimKey:
    """An Ed25519 key that signs as `ssh-keygen -Y sign` does; the same label gives the same key."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())
        self.raw = self._private.public_key().public_bytes_raw()
        self.blob = wire_string(b"ssh-ed25519") + wire_string(self.raw)
        self.digest = hashlib.sha256(self.blob).digest()
        self.fingerprint = sshsig.openssh_fingerprint(self.digest)
        """`SHA256:base64`, as people configure it."""

    def sign(self, namespace: str, message: bytes) -> bytes:
        """Return an armored SSHSIG."""
        space = wire_string(namespace.encode())
        hashed = wire_string(hashlib.sha512(message).digest())
        raw = self._private.sign(b"SSHSIG" + space + wire_string(b"") + wire_string(b"sha512") + hashed)
        signature = wire_string(wire_string(b"ssh-ed25519") + wire_string(raw))
        blob = (
            b"SSHSIG"
            + (1).to_bytes(4, "big")
            + wire_string(self.blob)
            + space
            + wire_string(b"")
            + wire_string(b"sha512")
            + signature
        )
        text = base64.b64encode(blob)
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        begin, end = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
        return b"\n".join((begin, *lines, end)) + b"\n"

    def signature(self, namespace: str, message: bytes) -> Any:
        """Return a `Signature` message."""
        return MESSAGES["Signature"](type="sshsig-ssh-ed25519", signature=self.sign(namespace, message))

    def public(self) -> Any:
        """Return a `PublicKey` message."""
        return MESSAGES["PublicKey"](type="ssh-ed25519", key=self.blob)


def key_state(
    key: SimKey,
    index: int,
    capabilities: Iterable[str],
    *,
    over: bytes,
    label: str | None = None,
    expires_at: int | None = None,
) -> bytes:
    """Return a serialised key state whose proof is over the 32 bytes `over`."""
    state = MESSAGES["KeyState"](
        pubkey=key.public(),
        added_at=index,
        updated_at=index,
        capabilities=sorted(CAPABILITIES[name] for name in capabilities),
        proof=key.signature(sshsig.PROOF_NAMESPACE, over),
        **({} if label is None else {"label": label}),
        **({} if expires_at is None else {"expires_at": expires_at}),
    )
    return state.SerializeToString()


def subject_message(subject: Subject) -> Any:
    """Return a `Subject` message."""
    variant = {} if subject.variant is None else {"variant": subject.variant}
    return MESSAGES["Subject"](
        registry=subject.registry, package=subject.package, version=subject.version, hash=str(subject.hash), **variant
    )


def wire_string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
