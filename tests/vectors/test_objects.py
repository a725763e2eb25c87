"""Single objects and texts: messages, signatures, keys of trees, ranks."""

from __future__ import annotations

import pytest

from openvet_install.openvet import chain, content, schema, sshsig, tree, wire
from openvet_install.openvet.faults import LogInvalid, object_name
from openvet_install.openvet.keys import keyset_key, parse_keyset_key, parse_subject_key, subject_key
from openvet_install.openvet.subject import Coordinate, Subject, SubjectError, TaggedHash
from tests.support.vectors import load, named
from tests.vectors.differences import ours

DECODERS = {
    "audit": content.decode_audit,
    "audit_envelope": wire.decode_audit_envelope,
    "key_state": wire.decode_key_state,
    "node": wire.decode_node,
    "commit": wire.decode_commit,
    "commit_envelope": wire.decode_commit_envelope,
}
WORDS = {
    error.removeprefix("Decode(").removesuffix(")"): word
    for word, errors in load("error_classes").items()
    for error in errors
    if error.startswith("Decode(")
}


@pytest.mark.parametrize("case", load("decoding"), ids=lambda case: f"{case['message']}: {case['name']}")
def test_decoding(case):
    raw = bytes.fromhex(case["bytes"])
    decode = DECODERS[case["message"]]
    if ours("decoding", case["name"], "taken" if case["valid"] else "refused") == "taken":
        decode(raw)
        return
    with pytest.raises(LogInvalid) as caught:
        decode(raw)
    assert caught.value.rule == WORDS.get(case.get("error"), "decode")


@pytest.mark.parametrize("case", named("sshsig").values(), ids=named("sshsig"))
def test_sshsig(case):
    def check() -> sshsig.PublicKey:
        key = sshsig.PublicKey.parse(case["public_key_type"], bytes.fromhex(case["public_key"]))
        message = schema.MESSAGES["Signature"](type=case["signature_type"], signature=case["signature"].encode())
        armored = wire._signature(message).armored
        sshsig.verify(armored, key=key, namespace=case["namespace"], message=bytes.fromhex(case["message"]))
        return key

    if case["valid"]:
        assert f"sha256:{check().fingerprint.hex()}" == case["fingerprint"]
        return
    with pytest.raises(LogInvalid) as caught:
        check()
    words = {
        "ParsePublicKey": "decode",
        "UnknownSignatureType": "signature-type-unknown",
        "ParseSignature": "signature-invalid",
        "VerificationFailed": "signature-invalid",
    }
    assert caught.value.rule == words[case["error"]]


@pytest.mark.parametrize("case", load("ranks"), ids=lambda case: case["key"][:40])
def test_ranks(case):
    key = bytes.fromhex(case["key"])
    assert object_name(key).hex() == case["blake2b_256"]
    assert tree.rank(key) == case["rank"]


@pytest.mark.parametrize("case", load("tagged_hashes"), ids=lambda case: ascii(case["text"])[:40])
def test_tagged_hashes(case):
    if ours("tagged_hashes", case["text"], "taken" if case["valid"] else "refused") == "refused":
        with pytest.raises(SubjectError):
            TaggedHash.parse(case["text"])
        return
    found = TaggedHash.parse(case["text"])
    assert (found.algorithm, found.digest.hex()) == (case["algorithm"], case["digest"])
    assert (str(found), bytes(found).hex()) == (case["canonical"], case["bytes"])


@pytest.mark.parametrize("case", load("tagged_hash_bytes"), ids=lambda case: case["bytes"][:40])
def test_tagged_hashes_in_messages(case):
    raw = bytes.fromhex(case["bytes"])
    if not case["valid"]:
        with pytest.raises(SubjectError):
            TaggedHash.from_bytes(raw)
        return
    found = TaggedHash.from_bytes(raw)
    assert str(found) == case["canonical"]
    assert bytes(found).lower() == raw.lower()


@pytest.mark.parametrize("case", load("subjects"), ids=lambda case: ascii(case["text"])[:60])
def test_subjects(case):
    if not case["valid"]:
        with pytest.raises(SubjectError):
            Subject.parse(case["text"])
        return
    found = Subject.parse(case["text"])
    assert str(found) == case["canonical"]
    assert {name: getattr(found, name) for name in ("registry", "package", "version", "variant")} == {
        name: case[name] for name in ("registry", "package", "version", "variant")
    }
    assert str(found.hash) == case["hash"]


@pytest.mark.parametrize("case", load("coords"), ids=lambda case: ascii(case["text"])[:60])
def test_coordinates(case):
    if not case["valid"]:
        with pytest.raises(SubjectError):
            Coordinate.parse(case["text"])
        return
    assert str(Coordinate.parse(case["text"])) == case["canonical"]


@pytest.mark.parametrize("case", load("subject_keys"), ids=lambda case: case["subject"][:40])
def test_subject_keys(case):
    subject = Subject.parse(case["subject"])
    assert subject_key(subject).hex() == case["key"]
    assert tree.rank(subject_key(subject)) == case["rank"]


@pytest.mark.parametrize("case", named("key_decoding").values(), ids=named("key_decoding"))
def test_key_decoding(case):
    key = bytes.fromhex(case["key"])
    if not case["valid"]:
        with pytest.raises(LogInvalid) as caught:
            parse_subject_key(key)
        assert caught.value.rule == "subject-key-invalid"
        return
    assert str(parse_subject_key(key)) == case["canonical"]


@pytest.mark.parametrize("case", load("fingerprint_keys"), ids=lambda case: case["fingerprint"][:20])
def test_fingerprint_keys(case):
    digest = TaggedHash.from_bytes(bytes.fromhex(case["bytes_in_messages"])).digest
    assert case["fingerprint"] == f"sha256:{digest.hex()}"
    assert keyset_key(digest).hex() == case["tree_key"]
    assert parse_keyset_key(keyset_key(digest)) == digest
    assert tree.rank(keyset_key(digest)) == case["rank"]


@pytest.mark.parametrize("case", load("skipchain"), ids=lambda case: str(case["index"]))
def test_skipchain(case):
    assert list(chain.pointer_indexes(case["index"])) == case["pointers"]
