"""What OpenVet 0.6 takes and refuses beyond the vectors: found by mutating objects and asking its own decoders."""

from __future__ import annotations

import pytest

from openvet_install.openvet import content, sshsig
from openvet_install.openvet.faults import LogInvalid
from openvet_install.openvet.schema import MESSAGES, parse
from openvet_install.openvet.sshsig import PublicKey
from openvet_install.openvet.urls import is_absolute
from tests.support.logkeys import SimKey, wire_string

KEY = SimKey("x")
WORDS = b"read before installing"


def takes(action, *arguments):
    try:
        action(*arguments)
    except LogInvalid:
        return False
    return True


@pytest.mark.parametrize(
    ("tail", "good"),
    [
        ("3801", True),
        ("388000", True),
        ("38ffffffffffffffffff01", True),
        ("38ffffffffffffffffff02", False),
        ("38ffffffffffffffffff7f", False),
        ("38ffffffffffffffffffff01", False),
        ("0affffffffffffffffff7f", False),
        ("a006ffffffffffffffffff7f", False),
        ("8080808010", False),
        ("0801", True),
        ("0a00", False),
        ("0d00000000", False),
        ("3b3c", True),
        ("3b44", False),
        ("3b", False),
        ("3c", False),
    ],
)
def test_numbers_and_wire_types(tail, good):
    raw = MESSAGES["Node"](rank=3).SerializeToString() + bytes.fromhex(tail)
    assert takes(parse, "Node", raw) is good


def test_numbers_inside_of_messages():
    envelope = MESSAGES["AuthorSignature"](pubkey=KEY.public()).SerializeToString()
    inner = b"\x12\x0d" + bytes.fromhex("0a00") + bytes.fromhex("38ffffffffffffffffff7f")
    assert not takes(parse, "AuthorSignature", envelope + inner)


POINT = b"\4" + b"a" * 64


@pytest.mark.parametrize(
    ("name", "parts", "good"),
    [
        ("ssh-ed25519", [KEY.raw], True),
        ("ssh-ed25519", [KEY.raw + b"x"], False),
        ("sk-ssh-ed25519@openssh.com", [KEY.raw, b"ssh:"], True),
        ("sk-ssh-ed25519@openssh.com", [KEY.raw, b"\xff"], False),
        ("ssh-rsa", [b"\1\0\1", b"\0\x81"], True),
        ("ssh-rsa", [b"\1\0\1", b"\0\1"], False),
        ("ssh-rsa", [b"\0", b"\1"], False),
        ("ssh-rsa", [b"", b"\x81"], True),
        ("ssh-dss", [b"\1"] * 4, True),
        ("ssh-dss", [b"\1"] * 3, False),
        ("ecdsa-sha2-nistp256", [b"nistp256", POINT], True),
        ("ecdsa-sha2-nistp256", [b"nistp256", b"\2" + b"a" * 32], True),
        ("ecdsa-sha2-nistp256", [b"nistp384", POINT], False),
        ("ecdsa-sha2-nistp256", [b"nistp256", b"\4" + b"a" * 96], False),
        ("ecdsa-sha2-nistp256", [b"nistp256", b"\0"], False),
        ("sk-ecdsa-sha2-nistp256@openssh.com", [b"nistp256", POINT, b"ssh:"], True),
        ("new@example.org", [b"anything"], True),
        ("new@example.org", [b"anything", b"more"], False),
        ("new", [b"anything"], False),
        ("a@b@c", [b"anything"], False),
        ("@b", [b"anything"], False),
        ("a" * 60 + "@b.c", [b"anything"], True),
        ("a" * 61 + "@b.c", [b"anything"], False),
        ("rsa-sha2-256", [b"\1", b"\1"], False),
        ("SSH-ED25519", [KEY.raw], False),
    ],
)
def test_keys(name, parts, good):
    blob = wire_string(name.encode()) + b"".join(map(wire_string, parts))
    assert takes(PublicKey.parse, name, blob) is good


def armored(before=b"", lines=None, end=b"\n", newline=b"\n"):
    blob = KEY.sign(sshsig.AUDIT_NAMESPACE, WORDS)
    return before + newline.join(lines(blob.splitlines()) if lines else blob.splitlines()) + end


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (armored(), True),
        (armored(b"Header: x\n"), True),
        (armored(b"\xff\n"), True),
        (armored(b"\0\n"), False),
        (armored(b"Header: x\r"), False),
        (armored(b"Header: x\r\n", newline=b"\r\n"), True),
        (armored(b"-----BEGIN X-----\n"), False),
        (armored(b"x-----BEGIN X-----\n"), True),
        (armored(end=b""), True),
        (armored(end=b"\n\n"), False),
        (armored(lines=lambda found: [*found[:-1], b"", found[-1]]), True),
        (armored(lines=lambda found: [*found[:-1], b"", b"", found[-1]]), False),
        (armored(lines=lambda found: [found[0], b"", *found[1:]]), False),
    ],
    ids=repr,
)
def test_armor(text, good):
    key = PublicKey.parse("ssh-ed25519", KEY.blob)
    assert takes(lambda: sshsig.verify(text, key=key, namespace=sshsig.AUDIT_NAMESPACE, message=WORDS)) is good


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://example.org/x", True),
        ("  https:\\\\example.org\t/x ", True),
        ("https:example.org", True),
        ("https://", False),
        ("https://user@", False),
        ("https://h:65535", True),
        ("https://h:65536", False),
        ("https://h:x", False),
        ("https://h:0000000080/", True),
        ("https://a b/", False),
        ("https://a^b/", False),
        ("https://a%41/", True),
        ("https://a%00/", False),
        ("https://[::1]:80/", True),
        ("https://[::1/", False),
        ("https://[::g]/", False),
        ("https://[::1]x/", False),
        ("https://1.2.3.256/", False),
        ("https://1.2.3/", True),
        ("https://0x7f.1/", True),
        ("https://09/", False),
        ("https://1.2.3.4.5/", False),
        ("https://\u00e9.example/", True),
        ("file:///x", True),
        ("file:x", True),
        ("ssh://git@github.com/user/repo.git", True),
        ("ssh://git@github.com:user/repo.git", False),
        ("git@github.com:user/repo.git", False),
        ("x://@", True),
        ("x://user@", False),
        ("x://:80", False),
        ("x:anything at all", True),
        ("mailto:me@example.org", True),
        ("//example.org", False),
        ("", False),
    ],
)
def test_urls_of_repositories(url, good):
    assert is_absolute(url) is good
    message = MESSAGES["Audit"](vcs={"git": {"url": url}})
    message.subject.CopyFrom(MESSAGES["Subject"](registry="pypi", package="p", version="1", hash="sha256:" + "ab" * 32))
    assert takes(content.decode_audit, message.SerializeToString()) is good


def test_the_inner_length_of_a_key_must_be_right():
    """0.6 reads such a key and knows it by the fingerprint of its right form; we take one form only."""
    blob = wire_string(b"ssh-ed25519") + (0x2020).to_bytes(4, "big") + KEY.raw
    assert not takes(PublicKey.parse, "ssh-ed25519", blob)
