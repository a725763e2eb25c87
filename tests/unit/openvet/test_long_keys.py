"""A log's keys are its writers' choice: a thousand of a megabyte must not be remembered."""

import tracemalloc

from openvet_install.openvet.sshsig import PublicKey


def rsa(number):
    modulus = (0x01000000 + number).to_bytes(4, "big") * 125_000
    return b"".join(len(one).to_bytes(4, "big") + one for one in (b"ssh-rsa", b"\3", modulus))


def test_long_keys_do_not_stay_in_memory():
    tracemalloc.start()
    try:
        for number in range(40):
            assert len(PublicKey.parse("ssh-rsa", rsa(number)).fingerprint) == 32
        assert tracemalloc.get_traced_memory()[0] < 4_000_000
    finally:
        tracemalloc.stop()
