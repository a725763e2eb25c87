"""Encoders against the protobuf runtime; known fields in a wrong wire type at any depth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openvet_install.openvet import wire
from openvet_install.openvet.faults import LogInvalid
from openvet_install.openvet.schema import MESSAGES, parse
from openvet_install.openvet.sshsig import openssh_fingerprint, parse_fingerprint

HASHES = st.binary(min_size=32, max_size=32)


@given(st.integers(0, 42), st.lists(st.tuples(st.binary(max_size=300), HASHES, st.just(b"") | HASHES)), HASHES)
def test_nodes_are_encoded_as_the_runtime_does(rank, entries, right):
    message = MESSAGES["Node"](
        rank=rank,
        entries=[MESSAGES["Entry"](key_suffix=a, audit=b, left=c) for a, b, c in entries],
        right=right,
        prefix=b"pre",
    )
    encoded = tuple(wire.encode_entry(*entry) for entry in entries)
    assert wire.encode_node(rank, encoded, right, b"pre") == message.SerializeToString(deterministic=True)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_common_prefix(one, two):
    found = wire.common_prefix(one, two)
    assert one.startswith(found)
    assert two.startswith(found)
    assert one[: len(found) + 1] != two[: len(found) + 1] or found in (one, two)


def field(number, wire_type, body=b""):
    return bytes([number << 3 | wire_type]) + body


VARINT_FOR_TEXT = field(1, 0, b"\x05")
WRONG = {
    "top": ("Claim", VARINT_FOR_TEXT),
    "fixed32 for a number": ("Tree", field(1, 5, b"\0\0\0\0")),
    "fixed64 for a number": ("Commit", field(7, 1, bytes(8))),
    "bytes for a number": ("Tree", field(1, 2, b"\x01a")),
    "group for text": ("Claim", field(1, 3) + field(1, 4)),
    "inside a message": ("Audit", field(1, 2, b"\x02" + VARINT_FOR_TEXT)),
    "inside a repeated message": ("Audit", field(3, 2, b"\x00") + field(3, 2, b"\x02" + VARINT_FOR_TEXT)),
    "inside a oneof": ("Operation", field(3, 2, b"\x04" + field(1, 2, b"\x02" + VARINT_FOR_TEXT))),
    "after a good one": ("Claim", field(1, 2, b"\x01a") + VARINT_FOR_TEXT),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_wire_types_are_refused(case):
    name, raw = WRONG[case]
    with pytest.raises(LogInvalid, match="wrong wire type") as caught:
        parse(name, raw)
    assert caught.value.rule == "decode"


def test_unknown_fields_are_skipped():
    raw = field(1, 2, b"\x01a") + field(9, 0, b"\x01") + field(10, 5, bytes(4))
    assert parse("Claim", raw).name == "a"


def test_a_nul_in_a_subject_is_refused():
    message = MESSAGES["Subject"](registry="pypi", package="a\0b", version="1", hash="sha256:ab")
    with pytest.raises(LogInvalid, match="NUL"):
        wire.subject_of(MESSAGES["RemoveAudit"](subject=message))


def test_fingerprints_of_people_round_trip():
    digest = bytes(range(32))
    text = openssh_fingerprint(digest)
    assert parse_fingerprint(text) == digest
    for wrong in (text + "=", text[:-1], text[:-1] + "9", text.lower(), text.removeprefix("SHA256:"), "SHA256:", "ä"):
        assert parse_fingerprint(wrong) is None
