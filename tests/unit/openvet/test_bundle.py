"""What a bundle's file may be: a zip of objects and one list, whole, and nothing else."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime, timezone

import pytest

from openvet_install.errors import EXIT_INVALID, EXIT_UNDECIDED, InstallError
from openvet_install.openvet import bundle
from openvet_install.openvet.bundle import BundleInvalidError, Told, pack, parse_bundle, read_bundle
from openvet_install.openvet.faults import object_name

MADE = datetime(2026, 11, 29, 4, 0, tzinfo=timezone.utc)
URL = "https://logs.example/acme"
RAW = b"an object" * 50
NAME = object_name(RAW)
GOOD = pack(MADE, frozenset({"flask"}), {URL: Told(NAME, {NAME: (NAME,)}, {NAME: (b"key",)})}, {("commit", NAME): RAW})


def rezipped(change, *, compression=zipfile.ZIP_DEFLATED):
    """Write the good bundle again with other members: a list of (name, raw)."""
    with zipfile.ZipFile(io.BytesIO(GOOD)) as before:
        members = [(name, before.read(name)) for name in before.namelist()]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as file:
        for name, raw in change(members):
            file.writestr(name, raw)
    return written.getvalue()


def manifest(**changes):
    return lambda members: [
        (name, json.dumps(json.loads(raw) | changes).encode() if name == "bundle.json" else raw)
        for name, raw in members
    ]


def test_what_was_packed_is_read():
    found = parse_bundle("b", GOOD)
    assert (found.name, found.made, found.packages) == ("b", MADE, {"flask"})
    held = found.held(f"{URL}/?gen=3")
    assert held.head == NAME
    assert held.get("commit", NAME) == RAW
    assert held.insertions(NAME) == (NAME,)
    assert (held.subjects(NAME), held.subjects(bytes(32))) == ((b"key",), ())
    assert held.has("commit", NAME)
    assert not held.has("audit", NAME)
    assert held.get("audit", NAME) is None
    assert found.held("https://logs.example/alice") is None


def test_the_same_content_gives_the_same_bytes():
    again = pack(
        MADE, frozenset({"flask"}), {URL: Told(NAME, {NAME: (NAME,)}, {NAME: (b"key",)})}, {("commit", NAME): RAW}
    )
    assert again == GOOD


@pytest.mark.parametrize("size", [0, 1, 21, 22, 100, len(GOOD) // 2, len(GOOD) - 1])
def test_one_that_is_cut_short_is_refused(size):
    with pytest.raises(BundleInvalidError, match=r"^b is ") as caught:
        parse_bundle("b", GOOD[:size])
    assert caught.value.exit_code == EXIT_INVALID
    assert caught.value.hint.startswith("openvet-install bundle")


def test_every_flipped_byte_is_refused_or_changes_nothing():
    for place in range(0, len(GOOD), 3):
        altered = bytearray(GOOD)
        altered[place] ^= 0x41
        try:
            found = parse_bundle("b", bytes(altered))
            raw = None if found.held(URL) is None else found.held(URL).get("commit", NAME)
        except InstallError:
            continue
        assert raw in (RAW, None)


@pytest.mark.parametrize(
    "name",
    ["../commit/" + "0" * 64, "/etc/passwd", "commit/../" + "0" * 64, "commit/" + "0" * 63, "COMMIT/" + "0" * 64,
     "head/" + "0" * 64, "commit/" + "A" * 64, "commit\\" + "0" * 64, "commit/" + "0" * 64 + "/", "x",
     "commit/" + "0" * 64 + "\n"],
)  # fmt: skip
def test_other_names_are_refused(name):
    with pytest.raises(BundleInvalidError, match="belongs in no bundle"):
        parse_bundle("b", rezipped(lambda members: [*members, (name, b"")]))


def test_a_name_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate name"), pytest.raises(BundleInvalidError, match="two members"):
        parse_bundle("b", rezipped(lambda members: [*members, members[1]]))


def test_only_plain_and_deflated_members_are_taken():
    with pytest.raises(BundleInvalidError, match="belongs in no bundle"):
        parse_bundle("b", rezipped(lambda members: members, compression=zipfile.ZIP_LZMA))
    assert parse_bundle("b", rezipped(lambda members: members, compression=zipfile.ZIP_STORED)).packages == {"flask"}


@pytest.mark.parametrize("kind", ["commit", "bundle.json"])
def test_a_bomb_is_not_unpacked(kind, monkeypatch):
    monkeypatch.setattr(bundle, "MAX_MANIFEST_BYTES", 5_000_000)
    bomb = bytes(50_000_000)

    def change(members):
        return [(name, bomb if name.startswith(kind) else raw) for name, raw in members]

    raw = rezipped(change)
    assert len(raw) < 100_000
    with pytest.raises(BundleInvalidError, match="unpacks to more than"):
        parse_bundle("b", raw).held(URL).get("commit", NAME)


def test_limits_hold(tmp_path, monkeypatch):
    path = tmp_path / "openvet.bundle"
    path.write_bytes(GOOD)
    assert read_bundle(path).made == MADE
    monkeypatch.setattr(bundle, "MAX_MEMBERS", 1)
    with pytest.raises(BundleInvalidError, match="more than 1 members"):
        read_bundle(path)
    monkeypatch.setattr(bundle, "ZipFile", None)  # a list of millions would cost a gigabyte
    with pytest.raises(BundleInvalidError, match="more than 1 members"):
        read_bundle(path)
    monkeypatch.setattr(bundle, "MAX_BYTES", 10)
    with pytest.raises(BundleInvalidError, match="more than 10 bytes"):
        read_bundle(path)


@pytest.mark.parametrize(
    "changes",
    [{"made": "2026-11-29T04:00:00"}, {"made": 5}, {"made": "soon"}, {"packages": [1]}, {"packages": None},
     {"logs": [{"url": URL, "head": "00", "insertions": {}}]}, {"logs": [{"url": URL}]}, {"logs": {"a": 1}},
     {"logs": [{"url": "x?gen=y", "head": "0" * 64, "insertions": {}}]},
     {"logs": [{"url": URL, "head": "0" * 64, "insertions": {"0": ["1"]}, "subjects": {}}]},
     {"logs": [{"url": URL, "head": "0" * 64, "insertions": {}}]},
     {"logs": [{"url": URL, "head": "0" * 64, "insertions": {}, "subjects": {"0" * 64: ["x"]}}]}],
)  # fmt: skip
def test_a_list_that_cannot_be_read_is_refused(changes):
    with pytest.raises(BundleInvalidError, match="cannot be read"):
        parse_bundle("b", rezipped(manifest(**changes)))


def test_another_format_or_none_is_refused():
    with pytest.raises(BundleInvalidError, match="another format"):
        parse_bundle("b", rezipped(manifest(format="openvet-install/bundle/2")))
    with pytest.raises(BundleInvalidError, match=r"no `bundle\.json`"):
        parse_bundle("b", rezipped(lambda members: members[1:]))
    with pytest.raises(BundleInvalidError, match="cannot be read"):
        parse_bundle("b", rezipped(lambda members: [("bundle.json", b"[" * 100_000), *members[1:]]))


def test_a_file_that_cannot_be_read_is_undecided(tmp_path):
    with pytest.raises(InstallError) as caught:
        read_bundle(tmp_path)
    assert caught.value.exit_code == EXIT_UNDECIDED
