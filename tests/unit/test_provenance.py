import base64
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from openvet_install import provenance as room
from openvet_install.errors import ConfigError
from openvet_install.provenance import MAX_ATTESTATIONS, MAX_DOCUMENT, trust_root, verify
from openvet_install.publishers import describe
from tests.support.attestations import (
    BUILD,
    FULCIO,
    IDENTITY,
    ISSUER,
    LOGGED,
    PUBLISH,
    SLSA,
    SigstoreSimulator,
    github,
    provenance,
    real,
    utf8,
)

PROJECT, PIPELINE = "fdd9283f-e619-46af-8f9c-851f7d3e8b2b", "8e4f8ab2-8d7c-4827-9f15-de076d6d647f"
NAME, SHA = "acme_sign-1.0-py3-none-any.whl", "ab" * 32


@pytest.fixture(scope="module")
def sigstore():
    return SigstoreSimulator()


@pytest.fixture(scope="module")
def root(sigstore, tmp_path_factory):
    return sigstore.write_root(tmp_path_factory.mktemp("root") / "root.json")


@pytest.fixture
def looked(root):
    def look(document, *, name=NAME, sha256=SHA, roots=None):
        return verify(document, filename=name, sha256=sha256, roots=roots or [root])

    return look


def problem(found):
    assert found.attested == ()
    return found.problem


def b64(raw):
    return base64.b64encode(raw).decode()


def test_what_verified_is_told_with_its_time(looked, sigstore, root):
    (found,) = looked(provenance(sigstore.attest(NAME, SHA))).attested
    assert (found.identity.issuer, found.identity.subject) == (ISSUER, IDENTITY)
    assert (found.predicate, found.logged, found.entry, found.root) == (SLSA, LOGGED, sigstore.index, root)


def test_the_claims_of_a_workflow(looked, sigstore):
    options = github("a/b", "r.yml", "refs/tags/v1", environment="pypi", runner="self-hosted", owner_id="7")
    (found,) = looked(provenance(sigstore.attest(NAME, SHA, **options))).attested
    who = found.identity
    assert describe(who) == "GitHub a/b r.yml"
    assert (who.environment, who.runner, who.owner_id, who.ref) == ("pypi", "self-hosted", "7", "refs/tags/v1")


@pytest.mark.network
@pytest.mark.parametrize(
    ("kind", "who"),
    [
        ("GitHub", "GitHub trailofbits/pypi-attestations release.yml"),
        ("SLSA", "GitHub trailofbits/pypi-attestations release.yml"),
        ("GitLab", "GitLab facutuesca/gitlab-oidc-project .gitlab-ci.yml"),
        ("Google", "Google 919436158236-compute@developer.gserviceaccount.com"),
        (
            "CircleCI",
            f"CircleCI https://circleci.com/api/v2/projects/{PROJECT}/pipeline-definitions/{PIPELINE}",
        ),
    ],
)
def test_production_documents_verify_offline(kind, who):
    one = real()[kind]
    found = verify(one.document, filename=one.filename, sha256=one.sha256, roots=[None])
    assert [describe(one.identity) for one in found.attested] == [who]
    other = verify(one.document, filename=one.filename, sha256=SHA, roots=[None])
    assert "not this file" in problem(other)


@pytest.mark.network
def test_a_production_document_does_not_verify_below_another_root(root):
    one = real()["GitHub"]
    assert "failed to build" in problem(verify(one.document, filename=one.filename, sha256=one.sha256, roots=[root]))


# -- documents


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 500_000, "not JSON"),
        (b'{"version": 1, "version": 1}', "not JSON"),
        (b"null", "no provenance object"),
        (b"[]", "no provenance object"),
        (b'{"version": 2, "attestation_bundles": []}', "no provenance object"),
        (b'{"version": true, "attestation_bundles": []}', "no provenance object"),
        (b'{"version": "1", "attestation_bundles": []}', "no provenance object"),
        (b'{"version": 1}', "holds no attestation"),
        (b'{"version": 1, "attestation_bundles": null}', "holds no attestation"),
        (b'{"version": 1, "attestation_bundles": []}', "holds no attestation"),
        (b'{"version": 1, "attestation_bundles": [null, 1, []]}', "holds no attestation"),
        (b'{"version": 1, "attestation_bundles": [{"publisher": {"kind": "GitHub"}}]}', "holds no attestation"),
        (b'{"version": 1, "attestation_bundles": [{"attestations": []}]}', "holds no attestation"),
        (b'{"version": 1, "attestation_bundles": [{"attestations": [null]}]}', "holds no attestation"),
        (b'{"version": 1, "attestation_bundles": [{"attestations": [{}]}]}', "no attestation of version 1"),
        (b" " * (MAX_DOCUMENT + 1), "larger than"),
    ],
)  # fmt: skip
def test_a_document_that_holds_nothing(looked, document, words):
    assert words in problem(looked(document))


def test_no_more_attestations_are_looked_at_than_a_limit(looked, sigstore):
    good = sigstore.attest(NAME, SHA)
    assert looked(provenance(*[{}] * (MAX_ATTESTATIONS - 1), good)).attested
    assert not looked(provenance(*[{}] * MAX_ATTESTATIONS, good)).attested


def test_one_bundle_of_several_is_enough(looked, sigstore):
    good, other = json.loads(provenance(sigstore.attest(NAME, SHA))), json.loads(provenance({}))
    bundles = [*other["attestation_bundles"], None, *good["attestation_bundles"]]
    assert len(looked(provenance(attestation_bundles=bundles)).attested) == 1


# -- attestations


def bent(attestation, path, change):
    """A copy of an attestation in which the value at a path is changed."""
    copy = json.loads(json.dumps(attestation))
    *way, last = path
    part = copy
    for step in way:
        part = part[step]
    part[last] = change(part[last])
    return copy


def flipped(text):
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return b64(bytes(raw))


MATERIAL, ENVELOPE = "verification_material", "envelope"
ENTRY = (MATERIAL, "transparency_entries", 0)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ((ENVELOPE, "signature"), flipped),
        ((ENVELOPE, "statement"), flipped),
        ((ENVELOPE, "statement"), lambda text: text + "!"),
        ((ENVELOPE, "statement"), lambda _: None),
        ((ENVELOPE, "signature"), lambda _: ""),
        ((ENVELOPE,), lambda _: None),
        ((MATERIAL,), lambda _: []),
        ((MATERIAL, "certificate"), flipped),
        ((MATERIAL, "certificate"), lambda _: "AAAA"),
        ((MATERIAL, "transparency_entries"), lambda _: []),
        ((MATERIAL, "transparency_entries"), lambda _: [None]),
        ((*ENTRY, "integratedTime"), lambda text: str(int(text) + 1)),
        ((*ENTRY, "integratedTime"), lambda _: None),
        ((*ENTRY, "logIndex"), lambda _: "7"),
        ((*ENTRY, "kindVersion"), lambda _: None),
        ((*ENTRY, "kindVersion"), lambda _: {"kind": "hashedrekord", "version": "0.0.1"}),
        ((*ENTRY, "canonicalizedBody"), flipped),
        ((*ENTRY, "inclusionPromise"), lambda _: None),
        ((*ENTRY, "inclusionProof"), lambda _: None),
        ((*ENTRY, "inclusionProof", "rootHash"), flipped),
        ((*ENTRY, "inclusionProof", "checkpoint"), lambda _: {"envelope": "x"}),
        ((*ENTRY, "logId"), lambda _: 5),
        (("version",), lambda _: 2),
        (("version",), lambda _: True),
    ],
)
def test_a_damaged_attestation_does_not_verify(looked, sigstore, path, change):
    assert problem(looked(provenance(bent(sigstore.attest(NAME, SHA), path, change))))


def test_a_second_spelling_of_the_time_is_not_read(looked, sigstore):
    attestation = sigstore.attest(NAME, SHA)
    entry = attestation[MATERIAL]["transparency_entries"][0]
    entry |= {"integrated_time": "1", "log_index": "9"}
    (found,) = looked(provenance(attestation)).attested
    assert (found.logged, found.entry) == (LOGGED, sigstore.index)


def test_line_breaks_in_base64_are_the_writers_habit(looked, sigstore):
    attestation = bent(sigstore.attest(NAME, SHA), (ENVELOPE, "statement"), lambda text: text[:40] + "\n" + text[40:])
    assert looked(provenance(attestation)).attested


def test_the_certificate_of_another_signature(looked, sigstore):
    one, other = sigstore.attest(NAME, SHA), sigstore.attest(NAME, SHA)
    assert problem(looked(provenance({**one, ENVELOPE: other[ENVELOPE]})))
    assert problem(looked(provenance({**one, MATERIAL: other[MATERIAL]})))


def test_another_sigstore(looked):
    assert problem(looked(provenance(SigstoreSimulator().attest(NAME, SHA))))


def test_an_authority_that_had_ended_when_it_signed(tmp_path):
    old = SigstoreSimulator(since=LOGGED - timedelta(days=30), days=10)
    root = old.write_root(tmp_path / "old.json")
    found = verify(provenance(old.attest(NAME, SHA)), filename=NAME, sha256=SHA, roots=[root])
    assert "failed to build" in problem(found)


def test_a_certificate_that_had_ended_when_the_log_took_it_in(looked, sigstore):
    attestation = sigstore.attest(NAME, SHA)
    late = sigstore.attest(NAME, SHA, logged=LOGGED + timedelta(days=1))
    attestation[MATERIAL]["transparency_entries"] = late[MATERIAL]["transparency_entries"]
    assert problem(looked(provenance(attestation)))


# -- statements


def test_the_publish_attestation_has_no_predicate(looked, sigstore):
    for predicate in (None, {}):
        (found,) = looked(provenance(sigstore.attest(NAME, SHA, predicate_type=PUBLISH, predicate=predicate))).attested
        assert found.predicate == PUBLISH


@pytest.mark.parametrize(
    ("kind", "predicate"),
    [
        (PUBLISH, {"rejected": True}), (PUBLISH, []), (PUBLISH, "x"),
        (SLSA, None), (SLSA, {}), (SLSA, []), (SLSA, {"buildDefinition": BUILD["buildDefinition"]}),
        (SLSA, {**BUILD, "runDetails": None}),
        ("https://slsa.dev/provenance/v0.2", BUILD), ("https://slsa.dev/verification_summary/v1", BUILD),
        ("https://in-toto.io/attestation/test-result/v0.1", {"result": "FAILED"}), (None, BUILD), ([], BUILD),
    ],
)  # fmt: skip
def test_a_statement_about_something_else_than_a_build(looked, sigstore, kind, predicate):
    found = looked(provenance(sigstore.attest(NAME, SHA, predicate_type=kind, predicate=predicate)))
    assert "tells of no build" in problem(found)


def test_an_unknown_predicate_beside_a_known_one(looked, sigstore):
    other = sigstore.attest(NAME, SHA, predicate_type="https://example/scan", predicate={})
    assert len(looked(provenance(other, sigstore.attest(NAME, SHA))).attested) == 1


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ([], "exactly one file"),
        (None, "exactly one file"),
        ([{"name": NAME, "digest": {"sha256": SHA}}] * 2, "exactly one file"),
        (["x"], "exactly one file"),
        ([{"name": NAME, "digest": {"sha256": SHA.upper()}}], "not this file"),
        ([{"name": NAME, "digest": {"sha512": SHA}}], "not this file"),
        ([{"name": NAME, "digest": SHA}], "not this file"),
        ([{"name": NAME}], "not this file"),
        ([{"digest": {"sha256": SHA}}], "not this file"),
        ([{"name": "acme_sign-1.1-py3-none-any.whl", "digest": {"sha256": SHA}}], "not this file"),
        ([{"name": "acme_sign-1.0-py2-none-any.whl", "digest": {"sha256": SHA}}], "not this file"),
        ([{"name": "evil-1.0-py3-none-any.whl", "digest": {"sha256": SHA}}], "not this file"),
        ([{"name": "acme_sign-1.0.tar.gz", "digest": {"sha256": SHA}}], "not this file"),
        ([{"name": "x", "digest": {"sha256": SHA}}], "not this file"),
    ],
)
def test_a_statement_about_another_file(looked, sigstore, subject, words):
    assert words in problem(looked(provenance(sigstore.attest(NAME, SHA, statement={"subject": subject}))))


def test_a_name_may_be_spelled_as_its_builder_does(looked, sigstore):
    assert looked(provenance(sigstore.attest("Acme.Sign-1.0.0-py3-none-any.whl", SHA)), name=NAME).attested == ()
    assert looked(provenance(sigstore.attest("Acme_Sign-1.0-py3-none-any.whl", SHA)), name=NAME).attested


@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"[" * 100_000, b'{"_type": "https://in-toto.io/Statement/v1", "_type": "x"}', b"\xff"],
)
def test_something_else_that_is_signed(looked, sigstore, payload):
    assert problem(looked(provenance(sigstore.sign(payload))))


def test_a_statement_of_another_version(looked, sigstore):
    found = looked(provenance(sigstore.attest(NAME, SHA, statement={"_type": "https://in-toto.io/Statement/v0.1"})))
    assert "none of in-toto v1" in problem(found)


# -- certificates

VOUCHED = utf8(ISSUER)


def a_certificate(*names, issuer=VOUCHED):
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(LOGGED)
        .not_valid_after(LOGGED + timedelta(minutes=10))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    if issuer is not None:
        oid = x509.ObjectIdentifier(f"{FULCIO}.8")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, issuer), critical=False)
    return builder.sign(key, hashes.SHA256())


URL = x509.UniformResourceIdentifier(IDENTITY)
OTHER = x509.OtherName(x509.ObjectIdentifier(f"{FULCIO}.7"), utf8("me!example"))


@pytest.mark.parametrize(
    ("name", "subject"), [(URL, IDENTITY), (x509.RFC822Name("me@example"), "me@example"), (OTHER, "me!example")]
)
def test_who_a_certificate_names(name, subject):
    assert room.identity_of(a_certificate(name)).subject == subject


@pytest.mark.parametrize(
    ("names", "issuer"),
    [
        ((URL, x509.RFC822Name("me@example")), VOUCHED),
        ((), VOUCHED),
        ((x509.DNSName("issuer.example"),), VOUCHED),
        ((x509.OtherName(x509.ObjectIdentifier("1.2.3"), utf8("me")),), VOUCHED),
        ((URL,), None),
        ((URL,), utf8("")),
        ((URL,), ISSUER.encode()),
    ],
)
def test_a_certificate_that_does_not_say_who_in_one_way(names, issuer):
    with pytest.raises((ValueError, x509.ExtensionNotFound)):
        room.identity_of(a_certificate(*names, issuer=issuer))


@pytest.mark.parametrize(
    "der",
    [b"", b"\x0c", b"\x0c\x05abc", b"\x0c\x03abcd", b"\x0c\x80abc", b"\x0c\x81\x03abc", b"\x0c\x83\x00\x00\x03abc",
     b"\x16\x03abc", b"\x0c\x03ab\xff"],
)  # fmt: skip
def test_a_claim_fills_its_place_exactly(der):
    with pytest.raises(ValueError, match=r".+"):
        room._utf8(der)


def test_long_claims_are_read(looked, sigstore):
    for size in (1, 127, 128, 255, 256, 4000):
        assert room._utf8(utf8("x" * size)) == "x" * size


# -- trust roots


def test_the_age_of_a_trust_root(root, sigstore):
    assert trust_root(root) == (str(root), sigstore.since.date())
    assert trust_root(None).newest > date(2022, 1, 1)


@pytest.mark.parametrize("text", ["", "{}", "null", "[" * 100_000, '{"mediaType": "x"}'])
def test_a_trust_root_that_is_none(tmp_path, text):
    (tmp_path / "root.json").write_text(text)
    with pytest.raises(ConfigError, match="no trusted root"):
        verify(b"{}", filename=NAME, sha256=SHA, roots=[tmp_path / "root.json"])


def test_a_trust_root_in_a_cache_is_not_believed(tmp_path, monkeypatch, sigstore):
    """T32: whoever restores a cache would vouch for everything."""
    place = tmp_path / "sigstore-python" / "tuf" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    place.mkdir(parents=True)
    sigstore.write_root(place / "trusted_root.json")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    room._verifier.cache_clear()
    assert problem(verify(provenance(sigstore.attest(NAME, SHA)), filename=NAME, sha256=SHA, roots=[None]))


def test_without_the_library_nothing_is_fine(looked, sigstore, monkeypatch, root):
    monkeypatch.setitem(sys.modules, "sigstore.models", None)
    room._verifier.cache_clear()
    assert "cannot verify" in problem(looked(provenance(sigstore.attest(NAME, SHA))))


def test_the_room_imports_nothing_heavy():
    code = "import sys, openvet_install.provenance; print([m for m in sys.modules if m.startswith('sigstore')])"
    ended = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_the_trust_root_comes_with_the_library():
    assert Path(str(room._built_in())).is_file()
