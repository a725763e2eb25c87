"""A decoder with a fault, to see that the fuzzer finds one."""

from openvet_install.errors import InvalidError


def decode(raw):
    if len(raw) < 8:
        raise InvalidError("cut off")
    if raw[0] != 0x0A:
        raise InvalidError("no field 1")
    if raw[1] != 0x20:
        raise InvalidError("no 32 bytes")
    if raw[2] & 0x7F != 0x31:
        raise InvalidError("not this version")
    if raw[3] > 0x80:
        return {}[raw[4]]  # a KeyError where an InvalidError belongs
    return {}
