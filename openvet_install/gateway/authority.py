"""The certificate authority of one run: its key lives in this process's memory and nowhere else."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from openvet_install.gateway.addresses import literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VALIDITY = timedelta(days=1)
BACKDATED = timedelta(hours=12)  # for clocks that differ, as in containers that slept
MAX_CONTEXTS = 1024  # hosts whose context is remembered
ALPN = ["http/1.1"]

_Extension = tuple[x509.ExtensionType, bool]


class TlsSocket(ssl.SSLSocket):
    """A server-side TLS socket that remembers the name the client asked for; None without SNI."""

    asked: str | None = None


class RunAuthority:
    """Makes a P-256 root for this run and server contexts for the hosts that the child names.

    All leaves share one key. `bundle` is the root in PEM: what the child is to trust, alone. Certificates
    carry what strict verification (Python 3.13) asks for: key identifiers, critical basic constraints and
    key usage, the host as DNS name or IP address.
    """

    def __init__(self, folder: Path) -> None:
        """Make both keys; `folder` is private and takes the leaf key for a moment where memfd is missing."""
        self._folder = folder
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._now = datetime.now(timezone.utc)
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"openvet-install {secrets.token_hex(8)}")])
        self._key_id = x509.SubjectKeyIdentifier.from_public_key(self._root_key.public_key())
        root = self._sign(
            self._name,
            self._root_key.public_key(),
            [
                (x509.BasicConstraints(ca=True, path_length=0), True),
                (_usage(sign=True), True),
                (self._key_id, False),
            ],
        )
        self.bundle = root.public_bytes(serialization.Encoding.PEM)
        self._leaf_pem = self._leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def context(self, host: str) -> ssl.SSLContext:
        """Return the server context for a canonical host (IPv6 without brackets)."""
        with self._lock:
            context = self._contexts.get(host)
            if context is None:
                context = self._make_context(host)
                if len(self._contexts) < MAX_CONTEXTS:
                    self._contexts[host] = context
        return context

    def _make_context(self, host: str) -> ssl.SSLContext:
        address = literal(host)
        name = x509.IPAddress(address) if address is not None else x509.DNSName(host)
        key = self._leaf_key.public_key()
        leaf = self._sign(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "openvet-install gateway")]),
            key,
            [
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (_usage(sign=False), True),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
                (x509.SubjectAlternativeName([name]), False),
                (x509.SubjectKeyIdentifier.from_public_key(key), False),
                (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_id), False),
            ],
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        context.set_alpn_protocols(ALPN)
        context.sslsocket_class = TlsSocket
        context.sni_callback = _remember_name
        self._load(context, self._leaf_pem + leaf.public_bytes(serialization.Encoding.PEM))
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extensions: list[_Extension]
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - BACKDATED)
            .not_valid_after(self._now + VALIDITY)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._root_key, hashes.SHA256())

    def _load(self, context: ssl.SSLContext, pem: bytes) -> None:
        """Hand the key to OpenSSL, which takes it from a path only: one in memory where there is such a thing."""
        create: Callable[[str], int] | None = getattr(os, "memfd_create", None)
        if create is not None and os.path.isdir("/proc/self/fd"):  # noqa: PTH112 - no Path in the hot path
            handle = create("openvet-install")
            try:
                os.write(handle, pem)
                context.load_cert_chain(f"/proc/self/fd/{handle}")
            finally:
                os.close(handle)
            return
        handle, path = tempfile.mkstemp(dir=self._folder)
        try:
            os.write(handle, pem)
            context.load_cert_chain(path)
        finally:
            os.close(handle)
            os.unlink(path)  # noqa: PTH108 - as above


def _remember_name(sock: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: Any) -> None:  # noqa: ARG001
    if isinstance(sock, TlsSocket):
        sock.asked = name


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
