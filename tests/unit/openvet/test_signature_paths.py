"""What writers write takes a short way through `sshsig`; whatever is changed in it, the long way says the same."""

import base64
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openvet_install.openvet import sshsig
from openvet_install.openvet.faults import LogInvalid
from tests.support.vectors import load

NEVER = re.compile(rb"(?!)")
GOOD = [one for one in load("sshsig") if one["valid"]]


def parts(case):
    key = sshsig.PublicKey.parse(case["public_key_type"], bytes.fromhex(case["public_key"]))
    return key, case["namespace"], bytes.fromhex(case["message"]), case["signature"].encode("latin-1")


def outcome(armored, key, namespace, message):
    try:
        sshsig.verify(armored, key=key, namespace=namespace, message=message)
    except LogInvalid as fault:
        return fault.rule
    return "good"


def long_way(*arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sshsig, "_USUAL_ARMOR", NEVER)
        patch.setattr(sshsig, "_usual", lambda *_: ())
        patch.setattr(sshsig, "_USUAL_BYTES", -1)
        return outcome(*arguments)


def armor(blob):
    text = base64.b64encode(blob).decode()
    lines = "\n".join(text[at : at + 70] for at in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n".encode()


CHANGES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 255), st.sampled_from(("set", "put", "cut"))), max_size=3
)


def changed(raw, changes):
    found = bytearray(raw)
    for place, value, how in changes:
        at = place % max(1, len(found))
        if how == "put":
            found.insert(at, value)
        elif how == "cut":
            del found[at : at + 1]
        elif found:
            found[at] = value
    return bytes(found)


@given(st.sampled_from(GOOD), CHANGES, st.booleans())
@example(GOOD[0], [], True)
def test_both_ways_say_the_same(case, changes, inside):
    key, namespace, message, armored = parts(case)
    if inside:
        body = b"".join(armored.split(b"-----")[2].split())
        given_bytes = armor(changed(base64.b64decode(body), changes))
    else:
        given_bytes = changed(armored, changes)
    assert outcome(given_bytes, key, namespace, message) == long_way(given_bytes, key, namespace, message)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_a_signature_for_another_purpose_key_or_message_fails(case):
    key, namespace, message, armored = parts(case)
    other = next(one for one in (parts(one)[0] for one in GOOD) if one.blob != key.blob)
    assert outcome(armored, key, namespace, message) == "good"
    for wrong in ((other, namespace, message), (key, namespace + "x", message), (key, namespace, message + b"x")):
        assert outcome(armored, *wrong) == "signature-invalid"


def test_the_short_way_is_taken(monkeypatch):
    usual = [one for one in GOOD if one["public_key_type"] == sshsig.ED25519]
    monkeypatch.setattr(sshsig, "_fields", None)
    assert any(_short(case) for case in usual)


def _short(case):
    try:
        return outcome(parts(case)[3], *parts(case)[:3]) == "good"
    except TypeError:
        return False
