"""Provenance for tests: real production documents out of an sdist, and a Sigstore of a test's own.

`real()` gets the sdist through pip, once for all runs; nothing of it is kept in this repository. `SigstoreSimulator` is
a certificate authority, a certificate log and a transparency log in one, and signs whatever it is told to.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import subprocess
import sys
import tarfile
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pip._internal.models.index import PyPI

if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE = Path("~/.cache/openvet-install-tests/attestations").expanduser()
SDIST = "pypi_attestations-0.0.30.tar.gz"
SDIST_SHA256 = "14ff13c76bbef02a483c2b77532da02bfd746b5141b881f355e06b9807434423"
PUBLISH = f"https://docs.{PyPI.netloc}/attestations/publish/v1"
SLSA = "https://slsa.dev/provenance/v1"
BUILD = {"buildDefinition": {"buildType": "https://build.example/v1"}, "runDetails": {"builder": {"id": "b"}}}
ISSUER = "https://issuer.example"
IDENTITY = "https://issuer.example/builders/libraries"
LOGGED = datetime(2026, 6, 2, 10, 11, 12, tzinfo=timezone.utc)
FULCIO = "1.3.6.1.4.1.57264.1"
_SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


class Real(NamedTuple):
    """A file with its production provenance."""

    filename: str
    body: bytes
    document: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@cache
def real() -> dict[str, Real]:
    """Return the documents by kind: GitHub, GitLab, Google, CircleCI; and `SLSA`, GitHub's second attestation."""
    assets = _assets()
    found = {
        kind: Real(name, assets[name], assets[f"{name}.provenance"])
        for kind, name in (
            ("GitHub", "pypi_attestations-0.0.19.tar.gz"),
            ("Google", "gcb_attestation_test-0.0.0.tar.gz"),
            ("CircleCI", "circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl"),
        )
    }
    for kind, name, ending in (
        ("GitLab", "gitlab_oidc_project-0.0.3.tar.gz", "publish"),
        ("SLSA", "pypi_attestations-0.0.19.tar.gz", "slsa"),
    ):
        attestation = json.loads(assets[f"{name}.{ending}.attestation"])
        found[kind] = Real(name, assets[name], provenance(attestation))
    return found


def _assets() -> dict[str, bytes]:
    path = CACHE / SDIST
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != SDIST_SHA256:
        CACHE.mkdir(parents=True, exist_ok=True)
        name, version = SDIST.removesuffix(".tar.gz").split("-")
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, "-d", str(CACHE),
             f"{name}=={version}"],
            check=True, timeout=280,
        )  # fmt: skip
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SDIST_SHA256
    with tarfile.open(path) as archive:
        found = {}
        for member in archive.getmembers():
            if "/test/assets/" in member.name and (stream := archive.extractfile(member)) is not None:
                found[member.name.rpartition("/")[2]] = stream.read()
        return found


def provenance(*attestations: Mapping[str, Any], publisher: Mapping[str, Any] | None = None, **more: Any) -> bytes:
    """Return a provenance object with one bundle; `more` replaces its keys."""
    said = {"kind": "GitHub", "repository": "whatever/it-says", "workflow": "release.yml"}
    bundle = {"publisher": dict(publisher or said), "attestations": list(attestations)}
    return json.dumps({"version": 1, "attestation_bundles": [bundle], **more}).encode()


class SigstoreSimulator:
    """Signs as the public instance does, below keys of its own; `write_root` gives the trust root for it."""

    def __init__(self, *, since: datetime = LOGGED - timedelta(days=400), days: int = 3650) -> None:
        """The authority's certificate holds from `since` for so many days."""
        self.since = since
        self._ca, self._ct, self._rekor = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sigstore of a test")])
        self._root = self._authority(days)
        self.index = 41

    def _authority(self, days: int) -> x509.Certificate:
        key = self._ca.public_key()
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        return (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.since)
            .not_valid_after(self.since + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .sign(self._ca, hashes.SHA256())
        )

    def trusted_root(self) -> dict[str, Any]:
        start = {"start": self.since.strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _text(_spki(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": start,
                },
                "logId": {"keyId": _text(hashlib.sha256(_spki(key)).digest())},
            }

        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self._rekor)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "test", "commonName": "sigstore of a test"},
                    "uri": "https://ca.example",
                    "certChain": {"certificates": [{"rawBytes": _text(self._root.public_bytes(Encoding.DER))}]},
                    "validFor": start,
                }
            ],
            "ctlogs": [log(self._ct)],
            "timestampAuthorities": [],
        }

    def write_root(self, path: Path) -> Path:
        path.write_text(json.dumps(self.trusted_root()), "utf-8")
        return path

    def attest(
        self,
        filename: str,
        sha256: str,
        *,
        issuer: str = ISSUER,
        identity: str = IDENTITY,
        claims: Mapping[int, str] | None = None,
        predicate_type: str = SLSA,
        predicate: Any = BUILD,
        logged: datetime = LOGGED,
        statement: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Sign a statement about a file; `claims` are Fulcio's extensions by number, `statement` replaces its keys."""
        said = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": filename, "digest": {"sha256": sha256}}],
            "predicateType": predicate_type,
            "predicate": predicate,
            **(statement or {}),
        }
        return self.sign(json.dumps(said).encode(), issuer=issuer, identity=identity, claims=claims, logged=logged)

    def sign(
        self,
        payload: bytes,
        *,
        issuer: str = ISSUER,
        identity: str = IDENTITY,
        claims: Mapping[int, str] | None = None,
        logged: datetime = LOGGED,
    ) -> dict[str, Any]:
        """Return an attestation of any bytes."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(key, identity, {8: issuer, **(claims or {})}, logged)
        kind = "application/vnd.in-toto+json"
        pae = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        signature = key.sign(pae, ec.ECDSA(hashes.SHA256()))
        return {
            "version": 1,
            "verification_material": {
                "certificate": _text(certificate.public_bytes(Encoding.DER)),
                "transparency_entries": [self._entry(certificate, payload, signature, int(logged.timestamp()))],
            },
            "envelope": {"statement": _text(payload), "signature": _text(signature)},
        }

    def _certificate(
        self, key: ec.EllipticCurvePrivateKey, identity: str, claims: Mapping[int, str], logged: datetime
    ) -> x509.Certificate:
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
             "crl_sign", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        name = x509.RFC822Name(identity) if "://" not in identity else x509.UniformResourceIdentifier(identity)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(logged - timedelta(minutes=2))
            .not_valid_after(logged + timedelta(minutes=8))
            .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        )
        for number, text in sorted(claims.items()):
            oid = x509.ObjectIdentifier(f"{FULCIO}.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, utf8(text)), critical=False)
        bare = builder.sign(self._ca, hashes.SHA256())
        sct = self._sct(bare.tbs_certificate_bytes, logged)
        return builder.add_extension(x509.UnrecognizedExtension(_SCTS, sct), critical=False).sign(
            self._ca, hashes.SHA256()
        )

    def _sct(self, tbs: bytes, when: datetime) -> bytes:
        issuer = hashlib.sha256(_spki(self._ca)).digest()
        stamp = int(when.timestamp() * 1000)
        entry = issuer + len(tbs).to_bytes(3, "big") + tbs
        signed = struct.pack("!BBQH", 0, 0, stamp, 1) + entry + struct.pack("!H", 0)
        signature = self._ct.sign(signed, ec.ECDSA(hashes.SHA256()))
        log = hashlib.sha256(_spki(self._ct)).digest()
        one = struct.pack("!B32sQHBBH", 0, log, stamp, 0, 4, 3, len(signature)) + signature
        listed = struct.pack("!HH", len(one) + 2, len(one)) + one
        return b"\x04" + _length(len(listed)) + listed

    def _entry(self, certificate: x509.Certificate, payload: bytes, signature: bytes, when: int) -> dict[str, Any]:
        body = json.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(b"any").hexdigest()},
                    "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                    "signatures": [
                        {"signature": _text(signature), "verifier": _text(certificate.public_bytes(Encoding.PEM))}
                    ],
                },
            }
        ).encode()
        self.index += 1
        root = hashlib.sha256(b"\0" + body).digest()
        key_id = hashlib.sha256(_spki(self._rekor)).digest()
        note = f"log.example - 1\n1\n{_text(root)}\n"
        signed = self._rekor.sign(note.encode(), ec.ECDSA(hashes.SHA256()))
        promise = json.dumps(
            {"body": _text(body), "integratedTime": when, "logID": key_id.hex(), "logIndex": self.index},
            sort_keys=True, separators=(",", ":"),
        )  # fmt: skip
        return {
            "logIndex": str(self.index),
            "logId": {"keyId": _text(key_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(when),
            "inclusionPromise": {
                "signedEntryTimestamp": _text(self._rekor.sign(promise.encode(), ec.ECDSA(hashes.SHA256())))
            },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _text(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.example {_text(key_id[:4] + signed)}\n"},
            },
            "canonicalizedBody": _text(body),
        }


def github(repository: str, workflow: str, ref: str, **more: str) -> dict[str, Any]:
    """Return the options of `attest` for a certificate as GitHub's workflows get it."""
    commit = more.get("commit", "c0ffee" * 6 + "c0ff")
    path = f"https://github.com/{repository}/.github/workflows/{workflow}@{ref}"
    claims = {
        9: path, 11: more.get("runner", "github-hosted"), 12: f"https://github.com/{repository}", 13: commit, 14: ref,
        15: more.get("repository_id", "1"), 17: more.get("owner_id", "2"), 18: path,
        21: f"https://github.com/{repository}/actions/runs/7/attempts/1",
    }  # fmt: skip
    if "environment" in more:
        claims[23] = more["environment"]
    return {"issuer": "https://token.actions.githubusercontent.com", "identity": path, "claims": claims}


def utf8(text: str) -> bytes:
    return b"\x0c" + _length(len(text.encode())) + text.encode()


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    return bytes([0x81, size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
