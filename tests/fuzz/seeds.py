"""Seeds: objects of the good and the broken logs, the vectors' texts, tiny archives and pages."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import datetime, timezone
from pathlib import Path

from openvet_install.openvet.bundle import Told, pack
from openvet_install.openvet.faults import object_name
from tests.support.vectors import VECTORS, load
from tests.support.wheels import make_sdist, make_wheel

CORPUS = Path(__file__).with_name("corpus")
PER_FOLDER = 4
MAX_BYTES = 24576


def seeds_of(name):
    found = globals().get(f"_{name}", lambda: [b"\x0a\x20"])()
    return [raw for raw in dict.fromkeys(found) if len(raw) <= MAX_BYTES] or [b""]


def kept_of(name):
    """Return what `keep.py` has kept of a target."""
    path = CORPUS / f"{name}.zip"
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as archive:
        return [archive.read(each) for each in archive.namelist()]


def _objects(kind):
    for folder in sorted((*(VECTORS / "logs").iterdir(), *(VECTORS / "invalid").iterdir())):
        for path in sorted((folder / "log" / kind).glob("*"))[:PER_FOLDER]:
            yield path.read_bytes()


def _decoding(message):
    return [bytes.fromhex(one["bytes"]) for one in load("decoding") if one["message"] == message]


def _commit():
    return _objects("commit")


def _audit():
    return _objects("audit")


def _keystate():
    return _objects("keystate")


def _node():
    return _objects("node")


def _content():
    return _decoding("audit")


def _sshsig():
    return [one["signature"].encode() for one in load("sshsig")]


def _key():
    from tests.fuzz.targets import KEY

    return [b"ssh-ed25519\0" + KEY, b"ssh-rsa\0\0\0\0\7ssh-rsa\0\0\0\1\3\0\0\0\1\5"]


def _treekey():
    return [bytes.fromhex(one["key"]) for one in (*load("subject_keys"), *load("key_decoding"))]


def _subject():
    return [one["text"].encode("utf-8", "surrogatepass") for one in load("subjects")]


def _expression():
    return [one["text"].encode() for one in (*load("expressions")["valid"], *load("expressions")["invalid"])]


def _policy():
    return [one["policy"].encode() for one in load("policies")] + [
        one["text"].encode() for one in load("config")["openvet.toml"] if "text" in one
    ]


def _pins():
    return [one["text"].encode() for one in load("config")["openvet.lock"]] + [
        b'version = 1\n[log.a]\noperators = ["SHA256:YDfvqONuFV7x9KBjOP3S+/s1DsLdg4zGNHhGZ+uP3F0"]\nwalked = "'
        + b"ab" * 32
        + b'"\n'
    ]


def _bundle():
    made = datetime(2026, 11, 29, tzinfo=timezone.utc)
    for url in ("https://logs.example/acme", "https://logs.example/alice?gen=2"):
        raws = list(_objects("commit"))[:3]
        objects = {("commit", object_name(raw)): raw for raw in raws}
        head = object_name(raws[0])
        yield pack(made, frozenset({"flask"}), {url: Told(head, {head: (head,)}, {head: (b"key",)})}, objects)


def _uvlock():
    return [one["text"].encode() for one in load("lock_adapters") if one["kind"] == "uv"]


def _pylock():
    return [one["text"].encode() for one in load("lock_adapters") if one["kind"] == "pylock"] + [
        text.encode() for text in load("verdicts")["locks"].values()
    ]


def _json():
    file = {
        "filename": "demo-1.0-py3-none-any.whl", "url": "https://files.example/demo-1.0-py3-none-any.whl",
        "hashes": {"sha256": "ab" * 32}, "requires-python": ">=3.9", "yanked": "no", "size": 7,
        "upload-time": "2026-01-02T03:04:05.678Z", "provenance": "https://index.example/p", "core-metadata": True,
    }  # fmt: skip
    page = {"meta": {"api-version": "1.3"}, "name": "demo", "versions": ["1.0"], "files": [file]}
    return [json.dumps(page).encode(), b'{"meta":{"api-version":"1.0"},"name":"demo","files":[]}']


def _html():
    link = (
        '<a href="../../demo-1.0.tar.gz#sha256=%s" data-requires-python="&gt;=3.9" data-yanked="x">demo-1.0.tar.gz</a>'
    )
    head = '<!DOCTYPE html><html><head><base href="https://files.example/"><meta name="pypi:repository-version" '
    return [(head + 'content="1.0"></head><body>' + link % ("ab" * 32) + "</body></html>").encode(), b"<a href=x>y"]


def _wheel():
    plain = make_wheel("demo", "1.0")
    return [plain, _stored(plain)]


def _zip():
    return [_stored(_zipped(make_sdist("demo", "1.0")))]


def _tar():
    return [gzip.decompress(make_sdist("demo", "1.0"))]


def _targz():
    return [make_sdist("demo", "1.0")]


def _record():
    with zipfile.ZipFile(io.BytesIO(make_wheel("demo", "1.0"))) as archive:
        return [archive.read("demo-1.0.dist-info/RECORD"), b'"a,b",sha256=x,1\r\nc,,\n']


def _metadata():
    text = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Dist: a>=1; python_version > '3'\n\nText\n"
    return [text, text.replace(b"\n", b"\r\n")]


def _stored(raw):
    """Return the same members without compression, which mutations can reach into."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as after:
        for one in before.infolist():
            after.writestr(zipfile.ZipInfo(one.filename, (2020, 1, 1, 0, 0, 0)), before.read(one))
    return out.getvalue()


def _zipped(sdist):
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(sdist)) as before, zipfile.ZipFile(out, "w") as after:
        for one in before.getmembers():
            if one.isfile():
                after.writestr(one.name, before.extractfile(one).read())
    return out.getvalue()
