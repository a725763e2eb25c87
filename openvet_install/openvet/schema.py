"""OpenVet's protobuf messages as a table, and strict parsing with the protobuf runtime (protocol, section 3).

Enums are written as int32, which is the same on the wire; what a value may be is the decoder's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from openvet_install.openvet.faults import LogInvalid

if TYPE_CHECKING:
    from google.protobuf.message import Message

# One message a line: number, name, type. `*` repeats, `?` has presence, `name/group` is part of a oneof.
_TABLE = """
PublicKey        1 type string, 2 key bytes
Signature        1 type string, 2 signature bytes, 3 extra bytes?
AuthorSignature  1 pubkey PublicKey, 2 signature Signature
Subject          1 registry string, 2 package string, 3 version string, 4 variant string?, 5 hash string
Tree             1 k uint32, 2 root bytes
Entry            1 key_suffix bytes, 2 audit bytes, 3 left bytes
Node             1 rank uint32, 2 entries Entry*, 3 right bytes, 4 prefix bytes
AuditEnvelope    1 version uint32, 2 audit bytes, 3 signatures AuthorSignature*
Audit            1 subject Subject, 3 claims Claim*, 4 report string, 5 annotations Annotation*, 6 findings Finding*, \
8 created_at uint64, 9 attributes Attribute*, 10 summary string, 11 diff DiffAudit, 12 dependencies Dependency*, \
13 vcs VcsInfo
Claim            1 name string, 2 value bool
Attribute        1 name string, 2 value string
Annotation       1 path string, 2 body string, 3 file/target FileTarget, 4 directory/target DirectoryTarget
FileTarget       1 lines LineRange*, 2 content_hash bytes
DirectoryTarget
LineRange        1 start uint32, 2 end uint32, 3 body string
Finding          2 description string, 4 title string, 5 severity int32, 6 class int32
DiffAudit        1 source Subject, 2 consulted_audits bytes*
Dependency       1 registry string, 2 package string, 3 requirement string, 4 scope int32, 5 optional bool, \
6 description string
VcsInfo          1 git/kind GitInfo, 2 subdirectory bytes?
GitInfo          1 url string, 2 commit bytes?
KeyState         1 pubkey PublicKey, 2 added_at uint64, 3 updated_at uint64, 4 capabilities int32*, \
5 expires_at uint64?, 6 proof Signature, 7 label string?
InsertAudit      1 subject Subject, 2 audit bytes
UpdateAudit      1 subject Subject, 2 audit bytes
RemoveAudit      1 subject Subject
InsertKey        1 pubkey_fingerprint bytes, 2 key_state_hash bytes
UpdateKey        1 pubkey_fingerprint bytes, 2 key_state_hash bytes
Operation        1 insert_audit/op InsertAudit, 2 update_audit/op UpdateAudit, 3 remove_audit/op RemoveAudit, \
4 insert_key/op InsertKey, 5 update_key/op UpdateKey
Commit           1 version uint32, 2 generation uint64, 3 index uint64, 4 parent bytes*, \
5 previous_generation_head bytes?, 6 generation_message string?, 7 timestamp uint64, 8 operation Operation, \
9 tree Tree, 10 keyset Tree, 11 keyset_last_changed uint64
CommitEnvelope   1 version uint32, 2 commit bytes, 3 signer bytes, 4 signature Signature
"""

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "bool": _FIELD.TYPE_BOOL,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
    "int32": _FIELD.TYPE_INT32,
}


def _build() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="openvet.proto", package="openvet", syntax="proto3")
    for line in _TABLE.strip().splitlines():
        name, _, fields = line.partition(" ")
        message = file.message_type.add(name=name)
        groups: dict[str, int] = {}
        optional = []
        for number, label, kind in (spec.split() for spec in fields.split(",") if spec.strip()):
            field_name, _, group = label.partition("/")
            field = message.field.add(name=field_name, number=int(number))
            field.label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
            bare = kind.rstrip("*?")
            if bare in _SCALARS:
                field.type = _SCALARS[bare]
            else:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".openvet.{bare}"
            if group:
                field.oneof_index = groups.setdefault(group, len(groups))
            if kind.endswith("?"):
                optional.append(field)
        for group in groups:
            message.oneof_decl.add(name=group)
        for field in optional:  # proto3 presence is a oneof of one, and these come last
            field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        one.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"openvet.{one.name}"))
        for one in file.message_type
    }


MESSAGES = _build()


def parse(name: str, raw: bytes) -> Any:
    """Parse `raw` as the message `name`; unknown fields are skipped, known ones must have their wire type.

    Raises `LogInvalid` with rule `decode` for bytes that are no such message: truncated, a wrong
    wire type, field number 0, a varint of more than 64 bits, text that is not UTF-8.
    """
    message = MESSAGES[name]()
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise LogInvalid("decode", f"not a `{name}` message") from error
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != raw:  # in ordinary output the runtime overlooks nothing
        _check(memoryview(raw), message.DESCRIPTOR)
    return message


_VARINT, _FIXED64, _LENGTH, _START, _END, _FIXED32 = range(6)
_DEPTH = 100
_NUMBERS = {_FIELD.TYPE_UINT32, _FIELD.TYPE_UINT64, _FIELD.TYPE_INT32, _FIELD.TYPE_BOOL}


def _check(raw: memoryview, descriptor: Any) -> None:
    """Refuse what the runtime takes and OpenVet's decoder does not, at any depth; `raw` is well-formed otherwise."""
    known = descriptor.fields_by_number
    at = 0
    while at < len(raw):
        number, wire_type, at = _key(raw, at)
        field = known.get(number)
        start, at = _value(raw, at, number, wire_type)
        if field is None:
            continue
        packed = field.is_repeated and field.type in _NUMBERS and wire_type == _LENGTH
        if wire_type != (_VARINT if field.type in _NUMBERS else _LENGTH) and not packed:
            raise LogInvalid("decode", f"field {number} of a message has a wrong wire type")
        if field.message_type is not None:
            _check(raw[start:at], field.message_type)
        while packed and start < at:
            _, start = _number(raw, start)


def _key(raw: memoryview, at: int) -> tuple[int, int, int]:
    key, at = _number(raw, at)
    if key >> 32:
        raise LogInvalid("decode", "the key of a field is too large")
    return key >> 3, key & 7, at


def _value(raw: memoryview, at: int, number: int, wire_type: int, depth: int = 0) -> tuple[int, int]:
    """Return where the content of a field begins and ends."""
    if wire_type == _LENGTH:
        size, at = _number(raw, at)
        return at, at + size
    if wire_type == _VARINT:
        return at, _number(raw, at)[1]
    if wire_type in (_FIXED32, _FIXED64):
        return at, at + (4 if wire_type == _FIXED32 else 8)
    if wire_type != _START or depth > _DEPTH:
        raise LogInvalid("decode", "a group that is not begun, or nested too deep")
    start = at
    while True:
        inner, kind, at = _key(raw, at)
        if kind == _END:
            if inner != number:
                raise LogInvalid("decode", "a group that is not ended")
            return start, at
        at = _value(raw, at, inner, kind, depth + 1)[1]


def _number(raw: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw):
            raise LogInvalid("decode", "a message that is cut off")
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise LogInvalid("decode", "a number of more than 64 bits")
    if value >> 64:
        raise LogInvalid("decode", "a number of more than 64 bits")
    return value, at
