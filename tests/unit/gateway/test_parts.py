from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from packaging.version import Version

from openvet_install.errors import ConfigError
from openvet_install.gateway import Blob, blobs, replies
from openvet_install.gateway.addresses import AddressError, join, parse_authority, parse_target
from openvet_install.gateway.answers import page_type
from openvet_install.gateway.authority import RunAuthority
from openvet_install.gateway.blobs import CHUNK, BlobError, BlobStore, TooLargeError
from openvet_install.gateway.flights import Flights
from openvet_install.gateway.outside import Outside, check_proxy
from openvet_install.gateway.pages import PageError, parse_page, render_html, render_json
from tests.support.gatekeepers import Permissive, gateway
from tests.support.indexsim import IndexSimulator, wheel
from tests.support.rawclient import JSON, ask, connected, hear, token

NAME = "demo-1.0-py3-none-any.whl"


# addresses


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.test/x", "https://a.test/x"),
        ("https://a.test:443/x", "https://a.test/x"),
        ("http://a.test", "http://a.test/"),
        ("http://a.test:8080/%7Eu/%2b?q=%2b#f", "http://a.test:8080/~u/%2B?q=%2b"),
        ("http://[::1]:80/é b", "http://[::1]/%C3%A9%20b"),
    ],
)
def test_urls_have_one_spelling(url, expected):
    assert parse_target(url).url == expected


def test_links_are_resolved_and_lose_their_login():
    assert join("https://a.test/simple/x/", "../../f/x.whl") == "https://a.test/f/x.whl"
    assert join("https://a.test/simple/x/", "https://u:p@B.test/x.whl#y") == "https://b.test/x.whl"
    for link in ("file:///x", "https://a.test/%2e%2e/x", "x\\y", "https://a.test./x", "data:x"):
        with pytest.raises(AddressError):
            join("https://a.test/simple/x/", link)


def test_authorities():
    assert str(parse_authority("[::1]:443", default_port=None)) == "[::1]:443"
    assert str(parse_authority("a.test", default_port=80)) == "a.test:80"


# pages


def test_a_flat_list_of_links_has_no_project():
    body = b"<a href=a-1.0.tar.gz>a</a><a href=b-1.0.tar.gz>b</a>"
    page = parse_page(body, "text/html", "https://a.test/links/", index="https://a.test")
    assert page.project is None
    assert [file.name for file in page.files] == ["a", "b"]


def test_an_html_page_is_for_its_project():
    body = b'<A HREF="a-1.0.tar.gz#sha256=' + b"A" * 64 + b'&egg=a">a</A><a href="b-1.0.tar.gz#md5=0">b</a>'
    page = parse_page(body, "text/html; charset=UTF-8", "https://a.test/simple/A/", index="https://a.test")
    assert page.project == "a"
    assert [(file.filename, file.sha256) for file in page.files] == [("a-1.0.tar.gz", "a" * 64)]


@pytest.mark.parametrize(
    ("said", "yanked"), [(False, False), (None, False), ("", False), (True, True), ("broken", "broken")]
)
def test_a_yank_without_a_word_in_json_is_none_as_for_pip_and_uv(said, yanked):
    entry = {"filename": "demo-1.0-py3-none-any.whl", "url": "/demo-1.0-py3-none-any.whl", "hashes": {}, "yanked": said}
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": [entry]}).encode()
    page = parse_page(body, JSON, "https://a.test/simple/demo/", index="https://a.test")
    assert [file.yanked for file in page.files] == [yanked]


def test_a_base_is_ours_to_resolve():
    body = b'<base href="https://b.test/f/"><a href="a-1.0.tar.gz">a</a>'
    page = parse_page(body, "text/html", "https://a.test/simple/a/", index="https://a.test")
    assert page.files[0].url == "https://b.test/f/a-1.0.tar.gz"
    assert b"<base" not in render_html(page)


@pytest.mark.parametrize("version", ["2.0", "", "1", "x"])
def test_api_versions(version):
    body = b'{"meta":{"api-version":"%s"},"name":"a","files":[]}' % version.encode()
    with pytest.raises(PageError):
        parse_page(body, JSON, "https://a.test/simple/a/", index="https://a.test")
    if version == "2.0":
        body = b'<meta name="pypi:repository-version" content="2.0">'
        with pytest.raises(PageError):
            parse_page(body, "text/html", "https://a.test/simple/a/", index="https://a.test")


def test_a_name_unlike_its_url_is_dropped():
    body = b'{"meta":{"api-version":"1.0"},"name":"a","files":['
    body += b'{"filename":"a-1.0.tar.gz","url":"/f/a-2.0.tar.gz?/a-1.0.tar.gz","hashes":{}},'
    body += b'{"filename":"a-1.0.tar.gz","url":"/f/a-2.0.tar.gz","hashes":{}}]}'
    assert parse_page(body, JSON, "https://a.test/simple/a/", index="https://a.test").files == ()


def test_of_a_large_page_only_what_is_wanted_is_read():
    files = ",".join(
        f'{{"filename":"a-1.{n}-py3-none-any.whl","url":"https://f.test/{n}/a-1.{n}-py3-none-any.whl",'
        f'"hashes":{{"sha256":"{n:064x}"}},"size":1,"upload-time":"2024-01-01T00:00:00.123456Z","yanked":false}}'
        for n in range(3700)
    )
    body = f'{{"meta":{{"api-version":"1.1"}},"name":"a","files":[{files}]}}'.encode()
    page = parse_page(body, JSON, "https://a.test/simple/a/", index="i", wanted=lambda _: {f"{7:064x}"})
    assert len(page.files) == 1
    assert len(page.unread) == 3699
    assert len(page.unread.files()) == 3699
    assert {file.version for file in page.unread.above(Version("1.3696"))} == {"1.3697", "1.3698", "1.3699"}
    assert json.loads(render_json(page))["files"][0]["filename"] == "a-1.7-py3-none-any.whl"


# replies, accept


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        ("*/*", None),
        ("text/html", "text/html"),
        (f"{JSON}, text/html;q=0.1", JSON),
        (f"{JSON};q=0, text/html;q=0.1", "text/html"),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+html"),
        ("text/html;q=x", None),
    ],
)
def test_which_page_is_asked_for(accept, expected):
    assert page_type(accept) == expected


@pytest.mark.parametrize(
    ("asked", "status", "start", "length"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=-5", 206, 5, 5),
        ("bytes=-99", 206, 0, 10),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-", 206, 9, 1),
        ("bytes=10-", 416, 0, 0),
        ("bytes=5-2", 200, 0, 10),
        ("bytes=-", 200, 0, 10),
        ("items=0-1", 200, 0, 10),
    ],
)
def test_ranges(asked, status, start, length):
    answer = replies.file(Blob(Path("x"), "0" * 64, 10), byte_range=asked, if_range=None, if_none_match=None)
    assert (answer.status, answer.start, answer.length) == (status, start, length)


# flights


def test_work_is_done_once_and_faults_are_shared_but_not_kept():
    flights, calls, started = Flights(), [], threading.Event()
    results = []

    def work():
        calls.append(1)
        started.set()
        time.sleep(0.1)
        if len(calls) == 1:
            raise OSError("first")
        return "value"

    def client():
        try:
            results.append(flights.once("k", work, keep=lambda _: True))
        except OSError:
            results.append("fault")

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) <= 2
    assert "fault" in results
    assert flights.once("k", work, keep=lambda _: True) == "value"
    assert flights.once("k", work, keep=lambda _: True) == "value"
    assert len(calls) == 2


# blobs


def test_blobs_are_private_and_hashed_again(tmp_path):
    store = BlobStore(tmp_path / "s")
    blob = store.add([b"ab", b"c"])
    assert blob.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert blob.path.stat().st_mode & 0o777 == 0o400
    assert store.find(blob.sha256) == blob
    assert store.find("0" * 64) is None
    assert b"".join(store.whole(blob)) == b"abc"
    assert b"".join(store.part(blob, 1, 2)) == b"bc"
    blob.path.chmod(0o600)
    blob.path.write_bytes(b"xyz")
    assert store.find(blob.sha256) is None
    for pieces in (store.whole(blob), store.part(blob, 1, 1)):
        with pytest.raises(BlobError):
            next(pieces)
    store.add([b"abc"])
    assert store.find(blob.sha256) == blob


def test_the_last_piece_of_a_changed_blob_stays_here(tmp_path):
    store = BlobStore(tmp_path / "s")
    body = os.urandom(3 * CHUNK + 7)
    blob = store.add([body])
    pieces = store.whole(blob)
    got = [next(pieces), next(pieces)]
    blob.path.chmod(0o600)
    with blob.path.open("r+b") as file:  # what was sent is right, what comes is not
        file.seek(3 * CHUNK)
        file.write(b"evil")
    with pytest.raises(BlobError):
        got.extend(pieces)
    assert body.startswith(b"".join(got))
    assert not store.intact(blob)
    with pytest.raises(BlobError):
        next(store.part(blob, 0, 10))


@pytest.mark.parametrize("size", [0, 1, blobs.BESIDE_FROM - 1, blobs.BESIDE_FROM, blobs.BESIDE_FROM + 40 * CHUNK + 3])
def test_the_hash_is_that_of_all_pieces(tmp_path, size):
    body = os.urandom(size)
    blob = BlobStore(tmp_path / "s").add(body[at : at + CHUNK] for at in range(0, size, CHUNK))
    assert (blob.sha256, blob.size) == (hashlib.sha256(body).hexdigest(), size)
    assert blob.path.read_bytes() == body


def test_an_empty_blob_is_sent_whole(tmp_path):
    store = BlobStore(tmp_path / "s")
    assert list(store.whole(store.add([]))) == [b""]


def test_a_blob_is_no_link_and_no_pipe(tmp_path):
    store = BlobStore(tmp_path / "s")
    blob = store.add([b"abc"])
    elsewhere = tmp_path / "x"
    elsewhere.write_bytes(b"abc")
    blob.path.unlink()
    blob.path.symlink_to(elsewhere)
    assert store.find(blob.sha256) is None
    blob.path.unlink()
    os.mkfifo(blob.path)
    assert store.find(blob.sha256) is None


def test_nothing_half_is_left(tmp_path):
    store = BlobStore(tmp_path / "s", max_file=2)

    def broken():
        yield b"a"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store.add(broken())
    with pytest.raises(TooLargeError):
        store.add([b"abc"])
    assert [path for path in (tmp_path / "s").rglob("*") if path.is_file()] == []


def test_a_planted_link_is_no_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "s").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError):
        BlobStore(tmp_path / "s")


def test_old_temporary_files_are_swept(tmp_path):
    BlobStore(tmp_path / "s")
    old, new = tmp_path / "s" / "tmp" / "old", tmp_path / "s" / "tmp" / "new"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    BlobStore(tmp_path / "s")
    assert not old.exists()
    assert new.exists()


# authority


@pytest.mark.parametrize("host", ["idx.test", "127.0.0.1", "::1"])
@pytest.mark.parametrize("memfd", [True, False])
def test_certificates_pass_strict_verification(tmp_path, monkeypatch, host, memfd):
    if not memfd:
        monkeypatch.delattr(os, "memfd_create")
    authority = RunAuthority(tmp_path)
    client = ssl.create_default_context(cadata=authority.bundle.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    left = client.wrap_bio(inward, outward, server_hostname=host)
    right = authority.context(host).wrap_bio(outward, inward, server_side=True)
    done = set()
    for _ in range(10):
        for side in (left, right):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    assert done == {left, right}
    assert left.version() == "TLSv1.3"
    assert list(tmp_path.iterdir()) == []
    assert authority.context(host) is authority.context(host)


def test_the_root_is_narrow(tmp_path):
    authority = RunAuthority(tmp_path)
    root = x509.load_pem_x509_certificate(authority.bundle)
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.path_length == 0
    assert b"PRIVATE" not in authority.bundle
    assert RunAuthority(tmp_path).bundle != authority.bundle
    span = root.not_valid_after_utc - root.not_valid_before_utc
    assert span.total_seconds() <= 36 * 3600


# outside


def test_the_users_settings_are_kept():
    outside = Outside(proxies={"https": "http://proxy.test:3128"}, no_proxy="near.test")
    assert outside.proxy_for("https", "far.test", 443) == "http://proxy.test:3128"
    assert outside.proxy_for("https", "near.test", 443) is None
    assert outside.proxy_for("http", "far.test", 80) is None
    with pytest.raises(ConfigError) as raised:
        check_proxy("socks5://u:secret@p:1")
    assert "secret" not in str(raised.value)
    with pytest.raises(ConfigError):
        Outside(bundle="/nowhere.pem").context()


def test_a_folder_of_authorities_is_taken_as_pip_takes_it(tmp_path):
    with IndexSimulator(tls=True, host="localhost") as index:
        words = ["openssl", "x509", "-noout", "-hash", "-in", str(index.ca)]
        named = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        for name in (f"{named}.0", "other.0"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / name).write_bytes(index.ca.read_bytes())
            context = Outside(bundle=str(folder)).context()
            with socket.create_connection(("127.0.0.1", index.port), timeout=5) as sock:
                if name == "other.0":
                    with pytest.raises(ssl.SSLCertVerificationError):
                        context.wrap_socket(sock, server_hostname="localhost")
                else:
                    context.wrap_socket(sock, server_hostname="localhost").close()


@pytest.mark.parametrize("tls", [False, True])
def test_a_gate_inside_a_gate_uses_the_outer_one(tmp_path, tls):
    with IndexSimulator(tls=tls, host="localhost") as index:
        index.add(wheel(), filename=NAME)
        inner, outer = Permissive(), Permissive()
        with gateway(outer, tmp_path / "o", Outside(bundle=str(index.ca) if tls else None)) as far:
            outside = Outside(bundle=str(far.bundle), proxies={"http": far.url, "https": far.url})
            with gateway(inner, tmp_path / "i", outside) as near:
                if tls:
                    from tests.support.rawclient import tunnel

                    host = f"localhost:{index.port}"
                    with tunnel(near, host) as sock:
                        sock.sendall(f"GET /files/{NAME} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                        heard = hear(sock)
                else:
                    heard = ask(near, index.file_url(NAME))
        assert heard.body == index.entries[NAME].body
        assert inner.released[0][0] == outer.released[0][0] == index.file_url(NAME)
        assert inner.troubles == []


# the end


def test_a_clean_stop_ends_threads_sockets_and_files(tmp_path):
    before = set(threading.enumerate())
    handles = len(list(Path("/proc/self/fd").iterdir()))
    with IndexSimulator() as index:
        index.add(wheel(), filename=NAME)
        index.entries[NAME].served = b"x" * 50_000_000
        index.lies.slow = 0.05
        with gateway(Permissive(), tmp_path) as running:
            idle = [connected(running) for _ in range(5)]
            sockets = [one.__enter__() for one in idle]
            sockets[0].sendall(
                f"GET {index.file_url(NAME)} HTTP/1.1\r\nHost: 127.0.0.1:{index.port}\r\n{token(running)}\r\n".encode()
            )
            deadline = time.monotonic() + 5
            while not list((tmp_path / "blobs" / "tmp").iterdir()) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert list((tmp_path / "blobs" / "tmp").iterdir())
            started = time.monotonic()
        assert time.monotonic() - started < 5.0
        ours = [
            thread for thread in threading.enumerate() if thread.name.startswith("openvet") and thread not in before
        ]
        assert ours == []
        for one in idle:
            one.__exit__(None, None, None)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    del sockets, idle
    assert len(list(Path("/proc/self/fd").iterdir())) <= handles + 2


def test_the_token_and_the_bundle_are_there_while_it_runs(tmp_path):
    with gateway(Permissive(), tmp_path) as running:
        assert running.url == f"http://openvet:{running.token}@127.0.0.1:{running.port}"
        assert running.bundle.read_bytes().count(b"BEGIN CERTIFICATE") == 1
    assert not running.bundle.exists()


def test_twelve_clients_share_one_download(tmp_path):
    with IndexSimulator() as index, gateway(Permissive(), tmp_path) as running:
        index.add(wheel(), filename=NAME)
        index.lies.delay = 0.2
        heard = []
        threads = [threading.Thread(target=lambda: heard.append(ask(running, index.file_url(NAME)))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {one.status for one in heard} == {200}
        assert len(index.requests) == 1
