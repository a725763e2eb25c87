"""T34 outward, T35 pages and files, T40 parts of files, T41 redirects and logins, T45 flips, T06, T43."""

from __future__ import annotations

import ast
import dataclasses
import gzip
import hashlib
import io
import os
import socket
import zipfile

import pytest
from packaging.requirements import InvalidRequirement, Requirement

from openvet_install.gateway import Refusal, Released, blobs, upstream
from openvet_install.gateway.blobs import BlobStore
from openvet_install.gateway.connections import Door
from openvet_install.gateway.outside import Outside
from openvet_install.gateway.upstream import HostRefusedError
from tests.support.gatekeepers import gateway
from tests.support.indexsim import IndexSimulator, Reply, wheel
from tests.support.rawclient import JSON, ask
from tests.support.wheels import make_wheel

NAME = "demo-1.0-py3-none-any.whl"
HTML = "text/html"


# T34


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
    ],
)
def test_link_local_and_the_like_never(running, host):
    heard = ask(running, f"http://{host}/latest/meta-data/")
    assert heard.status in (400, 403)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.1.2.3", "192.168.0.1", "[fd00::1]", "localhost", "[::ffff:127.0.0.1]"]
)
def test_private_addresses_only_if_the_keeper_says_so(running, keeper, index, host):
    keeper.local = False
    heard = ask(running, f"http://{host}:{index.port}/simple/demo/", accept=JSON)
    assert heard.status in (400, 403)
    assert index.requests == []


def test_a_host_that_is_not_admitted_is_not_asked(running, keeper, index):
    keeper.hosts = {"other.test"}
    heard = ask(running, f"{index.simple_url}/demo/", accept=JSON)
    assert (heard.status, heard.reason) == (403, "host not admitted: 127.0.0.1")
    assert index.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_gateway_does_not_ask_itself(running, host):
    heard = ask(running, f"http://{host}:{running.port}/x")
    assert heard.status == 403


def test_a_name_keeps_the_address_that_was_checked(monkeypatch):
    answers = iter(["10.0.0.1", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (next(answers), 0))])
    door = Door()
    door.private = lambda _host: True
    assert [str(one) for one in door.addresses("a.test", 80)] == ["10.0.0.1"]
    assert [str(one) for one in door.addresses("a.test", 80)] == ["10.0.0.1"]


def test_a_public_name_at_a_private_address_is_refused(monkeypatch):
    for address in ("10.0.0.1", "127.0.0.1", "169.254.169.254"):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=address, **__: [(2, 1, 6, "", (found, 0))])
        with pytest.raises(HostRefusedError):
            Door().connect("rebound.test", 80)


# T35


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "text/plain",
        "application/octet-stream",
        "application/vnd.pypi.simple.latest+json",
        "application/vnd.pypi.simple.v2+json",
        "text/html; charset=utf-16",
        "text/html; charset=utf-7",
    ],
)
def test_only_page_types_are_pages(running, keeper, index, content_type):
    index.lies.content_type = content_type
    heard = ask(running, f"{index.simple_url}/demo/", accept=JSON)
    assert heard.status == 502
    assert len(keeper.troubles) == 1


def test_a_page_that_is_a_zip_too_is_rendered_anew(running, index):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evil.py", "EVIL")
    index.lies.html = True
    index.lies.raw_page = b'<a href="/files/demo-1.0-py3-none-any.whl">x</a><!--' + b" " * 2000 + buffer.getvalue()
    heard = ask(running, f"{index.simple_url}/demo/", accept=HTML)
    assert heard.status == 200
    assert b"EVIL" not in heard.body
    assert b"PK" not in heard.body
    assert b"/files/demo-1.0-py3-none-any.whl" in heard.body


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/*", "application/octet-stream", f"{JSON};q=0", ""])
def test_a_page_is_no_file(running, keeper, index, accept):
    keeper.approved = lambda file, blob: Refusal(403, "not approved", "no audit")
    heard = ask(running, f"{index.simple_url}/demo/", accept=accept)
    assert (heard.status, heard.reason) == (403, "not approved")


@pytest.mark.parametrize("accept", [HTML, JSON, f"{HTML}, */*"])
def test_a_file_is_no_page(running, index, accept):
    heard = ask(running, index.file_url(NAME), accept=accept)
    assert heard.status == 502
    assert heard.headers["content-type"] == "application/problem+json"


def test_a_packed_file_is_refused(running, keeper, index):
    index.lies.gzip_files = True
    assert ask(running, index.file_url(NAME)).status == 502
    assert keeper.released == []


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, GZIP", "aws-chunked,gzip", "zstd"])
def test_a_file_in_any_encoding_is_refused(running, keeper, index, coding):
    body = index.entries[NAME].body
    index.lies.at_request = lambda _number, _path: Reply(200, {"Content-Encoding": coding}, body)
    assert ask(running, index.file_url(NAME)).status == 502
    assert keeper.released == []


def test_a_packed_page_is_unpacked(running, index):
    index.lies.gzip_pages = True
    heard = ask(running, f"{index.simple_url}/demo/", accept=JSON)
    assert heard.status == 200
    assert "content-encoding" not in heard.headers


def test_headers_of_upstream_stay_there(running, index):
    index.lies.at_request = lambda _number, path: Reply(
        200, {"Set-Cookie": "a=b", "X-Evil": "1", "Content-Type": "text/html", "Refresh": "0"}, b"data"
    )
    heard = ask(running, f"{index.origin}/x.bin")
    assert set(heard.headers) == {
        "content-type",
        "etag",
        "cache-control",
        "accept-ranges",
        "content-length",
        "connection",
    }
    assert heard.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("form", ["json", "href", "base"])
def test_a_page_that_points_home_loses_the_link(running, index, form):
    index.entries.clear()
    index.lies.html = form != "json"
    index.lies.base = "file:///d/" if form == "base" else None
    index.add(wheel(), filename=NAME, url=NAME if form == "base" else f"file:///d/{NAME}")
    heard = ask(running, f"{index.simple_url}/demo/", accept=JSON)
    assert heard.status == (502 if form == "base" else 200)
    assert b"file:" not in heard.body
    if heard.status == 200:
        assert heard.json["files"] == []


# T40


def test_parts_of_files_come_from_the_hashed_copy(running, index):
    body, url = index.entries[NAME].body, index.file_url(NAME)
    head = ask(running, url, method="HEAD")
    assert (head.status, head.headers["content-length"], head.headers["accept-ranges"]) == (
        200,
        str(len(body)),
        "bytes",
    )
    assert head.headers["etag"] == f'"{hashlib.sha256(body).hexdigest()}"'
    for asked, part in (("0-9", body[:10]), ("-16", body[-16:]), ("5-", body[5:]), ("5-999999", body[5:])):
        heard = ask(running, url, more=f"Range: bytes={asked}\r\n")
        assert (heard.status, heard.body) == (206, part)
    assert ask(running, url, more=f"Range: bytes={len(body)}-\r\n").status == 416
    assert ask(running, url, more="Range: bytes=0-1,3-4\r\n").body == body
    assert ask(running, url, more='Range: bytes=0-1\r\nIf-Range: "old"\r\n').body == body
    assert ask(running, url, more=f"If-None-Match: {head.headers['etag']}\r\n").status == 304
    assert len(index.asked(f"/files/{NAME}")) == 1
    assert "range" not in index.requests[0].headers


def test_metadata_is_that_of_the_wheel(running, keeper, index):
    index.entries[NAME].metadata = b"Name: lies\nRequires-Dist: evil\n"
    never = Refusal(403, "never listed", "never listed")
    keeper.known_no = lambda url, file: None if file or url.endswith("/") else never
    assert ask(running, f"{index.file_url(NAME)}.metadata").status == 403
    page = ask(running, f"{index.simple_url}/demo/", accept=JSON).json
    assert page["files"][0]["core-metadata"] is True
    heard = ask(running, f"{index.file_url(NAME)}.metadata")
    assert heard.status == 200
    assert heard.body.startswith(b"Metadata-Version: 2.1\nName: demo")
    assert [one for one in index.requests if one.path.endswith(".metadata")] == []


def test_metadata_without_bytes(running, keeper, index, monkeypatch):
    no = Refusal(403, "not for this target", "no audit")
    monkeypatch.setattr(keeper, "release", lambda url, file, blob: Released(blob, b"Name: demo\n", no))
    ask(running, f"{index.simple_url}/demo/", accept=JSON)
    assert ask(running, f"{index.file_url(NAME)}.metadata").body == b"Name: demo\n"
    for more in ("", "Range: bytes=0-9\r\n"):
        assert ask(running, index.file_url(NAME), more=more).status == 403


def test_nothing_of_a_refused_file_leaves(running, keeper, index):
    keeper.approved = lambda file, blob: Refusal(403, "not approved", "no audit")
    ask(running, f"{index.simple_url}/demo/", accept=JSON)
    for url in (index.file_url(NAME), index.file_url(NAME) + ".metadata"):
        for more in ("", "Range: bytes=0-3\r\n"):
            heard = ask(running, url, more=more)
            assert (heard.status, heard.headers["content-type"]) == (403, "application/problem+json")
            assert b"ANSWER" not in heard.body


def test_a_known_no_downloads_nothing(running, keeper, index):
    keeper.known_no = lambda url, file: Refusal(403, "denied", "an audit says no")
    assert ask(running, index.file_url(NAME)).status == 403
    assert index.requests == []


def test_a_copy_changed_on_disk_is_fetched_again(running, keeper, index, tmp_path):
    url, body = index.file_url(NAME), index.entries[NAME].body
    assert ask(running, url).body == body
    digest = hashlib.sha256(body).hexdigest()
    path = tmp_path / "blobs" / digest[:2] / digest
    path.chmod(0o600)
    path.write_bytes(b"x" * len(body))
    assert ask(running, url).body == body
    assert len(index.requests) == 2
    assert len(keeper.released) == 2


def test_of_a_copy_that_changes_while_it_is_sent_the_end_stays_here(running, index, tmp_path, monkeypatch):
    """The client has an unfinished file then, which it throws away."""
    files = {f"demo/{number}.bin": os.urandom(300_000) for number in range(4)}
    body = make_wheel("demo", "1.0", files=files, compression=zipfile.ZIP_STORED)
    index.add(body, filename=NAME)
    digest = hashlib.sha256(body).hexdigest()
    path = tmp_path / "blobs" / digest[:2] / digest

    def changed(_blobs, _blob):
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(-1000, os.SEEK_END)
            file.write(b"evil")
        return True

    monkeypatch.setattr(BlobStore, "intact", changed)
    heard = ask(running, index.file_url(NAME))
    assert len(heard.body) < len(body)
    assert body.startswith(heard.body)
    assert any("was changed on disk" in str(fault) for fault in running.faults)


# T41


@pytest.mark.parametrize(
    "location",
    ["file:///d/x.whl", "ftp://h.test/x", "//user@h.test/x", "javascript:x", "http://h.test.:80/x", "http://h\\x/"],
)
def test_a_location_is_checked(running, index, location):
    index.lies.redirect["/simple/demo/"] = location
    heard = ask(running, f"{index.simple_url}/demo/", accept=JSON)
    assert heard.status in (302, 403, 502)
    assert "file:" not in str(heard)
    if heard.status == 302:
        assert heard.headers["location"] == "http://h.test/x"


def test_a_redirect_has_no_body_and_no_cookies(running, index):
    index.lies.redirect["/simple/Demo/"] = "/simple/demo/"
    heard = ask(running, f"{index.simple_url}/Demo/", accept=JSON)
    assert (heard.status, heard.body, heard.headers["location"]) == (302, b"", f"{index.simple_url}/demo/")
    assert "set-cookie" not in heard.headers


def test_a_redirect_to_a_host_that_is_not_admitted(running, keeper, index):
    keeper.hosts = {"127.0.0.1"}
    index.lies.redirect["/simple/demo/"] = "http://evil.test/simple/demo/"
    heard = ask(running, f"{index.simple_url}/demo/", accept=JSON, more="Authorization: Basic eDp5\r\n")
    assert (heard.status, heard.reason) == (403, "host not admitted: evil.test")
    assert "location" not in heard.headers


def test_no_redirect_from_https_to_http(keeper, tmp_path):
    from tests.support.rawclient import hear, tunnel

    with IndexSimulator(tls=True, host="localhost") as index:
        index.lies.redirect["/simple/demo/"] = f"http://localhost:{index.port}/simple/demo/"
        with (
            gateway(keeper, tmp_path, Outside(bundle=str(index.ca))) as running,
            tunnel(running, f"localhost:{index.port}") as tls,
        ):
            tls.sendall(
                f"GET /simple/demo/ HTTP/1.1\r\nHost: localhost:{index.port}\r\nAccept: {JSON}\r\n\r\n".encode()
            )
            assert hear(tls).status == 502
    assert "http" in keeper.troubles[0][1]


def test_a_login_goes_where_it_was_sent_and_nowhere_else(running, index):
    index.lies.login = ("me", "secret")
    url = f"{index.simple_url}/demo/"
    heard = ask(running, url, accept=JSON)
    assert (heard.status, heard.headers["www-authenticate"]) == (401, 'Basic realm="index"')
    assert "set-cookie" not in heard.headers
    assert ask(running, url, accept=JSON, more="Authorization: Basic bWU6c2VjcmV0\r\nCookie: a=b\r\n").status == 200
    assert ask(running, url, accept=JSON).status == 401
    assert "cookie" not in index.requests[1].headers
    assert "proxy-authorization" not in index.requests[1].headers


def test_a_login_over_plain_http_stays_here(running, monkeypatch):
    monkeypatch.setattr(Door, "addresses", lambda *_: (__import__("ipaddress").ip_address("192.0.2.1"),))
    heard = ask(running, "http://idx.test/simple/demo/", accept=JSON, more="Authorization: Basic bWU6c2VjcmV0\r\n")
    assert (heard.status, heard.reason) == (403, "login over plain http")


# T45, T46


def test_other_bytes_at_any_request(running, keeper, index):
    ask(running, f"{index.simple_url}/demo/", accept=JSON)
    index.lies.at_request = lambda number, path: Reply(200, {}, b"evil %d" % number)
    for _ in range(3):
        heard = ask(running, index.file_url(NAME))
        assert (heard.status, heard.reason) == (403, "hash mismatch")
    assert ask(running, index.file_url(NAME), method="HEAD").status == 403


def test_bytes_of_the_store_are_not_asked_for_again(keeper, index, tmp_path):
    for _ in range(2):
        with gateway(keeper, tmp_path / "x") as running:
            ask(running, f"{index.simple_url}/demo/", accept=JSON)
            assert ask(running, index.file_url(NAME)).body == index.entries[NAME].body
    assert len(index.asked(f"/files/{NAME}")) == 1


def test_a_page_is_the_same_for_the_whole_run(running, keeper, index):
    url = f"{index.simple_url}/demo/"
    first = ask(running, url, accept=JSON)
    index.entries.clear()
    assert ask(running, url, accept=JSON).body == first.body
    assert ask(running, url, accept=JSON, more=f"If-None-Match: {first.headers['etag']}\r\n").status == 304
    assert len(index.requests) == 1


def test_withheld_is_an_empty_page_and_absent_is_404(running, keeper, index):
    keeper.keep = lambda page: dataclasses.replace(page, files=())
    heard = ask(running, f"{index.simple_url}/demo/", accept=JSON)
    assert (heard.status, heard.json["files"]) == (200, [])
    assert ask(running, f"{index.simple_url}/absent/", accept=JSON).status == 404
    assert keeper.troubles == []


def test_trouble_is_502_and_told(running, keeper, index):
    index.lies.status = 500
    assert ask(running, f"{index.simple_url}/demo/", accept=JSON).status == 502
    index.lies.status, index.lies.cut = None, 10
    assert ask(running, index.file_url(NAME)).status == 502
    assert ask(running, "http://127.0.0.1:1/simple/demo/", accept=JSON).status == 502
    assert len(keeper.troubles) == 3
    assert keeper.released == []


def test_a_fault_that_passes_is_asked_again(running, index):
    index.lies.failures = 2
    assert ask(running, f"{index.simple_url}/demo/", accept=JSON).status == 200


def test_a_keeper_that_breaks_is_no_yes(running, keeper, index, monkeypatch):
    monkeypatch.setattr(keeper, "release", lambda *_: 1 / 0)
    heard = ask(running, index.file_url(NAME))
    assert heard.status == 502
    assert [type(one) for one in running.faults] == [ZeroDivisionError]


@pytest.mark.parametrize("bundle", ["none", "other"])
def test_a_certificate_that_is_not_trusted_is_trouble(keeper, tmp_path, bundle):
    from tests.support.rawclient import hear, tunnel

    with IndexSimulator(tls=True, host="localhost" if bundle == "none" else "other.test") as index:
        outside = Outside(bundle=None if bundle == "none" else str(index.ca))
        with gateway(keeper, tmp_path, outside) as running, tunnel(running, f"localhost:{index.port}") as tls:
            tls.sendall(
                f"GET /simple/demo/ HTTP/1.1\r\nHost: localhost:{index.port}\r\nAccept: {JSON}\r\n\r\n".encode()
            )
            assert hear(tls).status == 502
        assert index.requests == []
    assert "certificate" in keeper.troubles[0][1].lower()


# T43


def test_sizes_are_capped(running, keeper, index, monkeypatch, tmp_path):
    monkeypatch.setattr(upstream, "MAX_PAGE", 1000)
    monkeypatch.setattr(upstream.Reply.body, "__defaults__", (1000,))
    bomb = gzip.compress(b"<p>" * 5_000_000)
    index.lies.at_request = lambda _number, path: (
        Reply(200, {"Content-Type": HTML, "Content-Encoding": "gzip"}, bomb) if "simple" in path else None
    )
    assert ask(running, f"{index.simple_url}/demo/", accept=JSON).status == 502
    with gateway(keeper, tmp_path / "small") as small:
        monkeypatch.setattr(small._blobs, "_max", 10)
        assert ask(small, index.file_url(NAME)).status == 502
        assert not list((tmp_path / "small" / "blobs" / "tmp").iterdir())
    assert blobs.MAX_FILE == 4 << 30


def test_deep_json_is_not_a_page(running, index):
    index.lies.raw_page, index.lies.content_type = b"[" * 200_000, JSON
    assert ask(running, f"{index.simple_url}/demo/", accept=JSON).status == 502


def test_crawling_downloads_are_given_up(running, index, monkeypatch):
    monkeypatch.setattr(upstream, "SLOW_GRACE", 0.1)
    monkeypatch.setattr(upstream, "SLOW_RATE", 1 << 30)
    index.lies.slow = 0.2
    index.entries[NAME].served = b"x" * 200_000
    assert ask(running, index.file_url(NAME)).status == 502


# T06


@pytest.mark.parametrize(
    "name",
    [
        '__import__("os").system("id")',
        "'; rm -rf ~",
        'a"\r\nX-Injected: yes\r\n',
        "\x1b[31m\u202e",
        "{}\n__import__('os')",
    ],
)
def test_a_refusal_says_nothing_to_python_or_a_requirements_parser(running, keeper, index, name):
    keeper.approved = lambda file, blob: Refusal(403, name, name)
    heard = ask(running, index.file_url(NAME))
    assert (heard.status, set(heard.headers)) == (
        403,
        {"content-type", "cache-control", "content-length", "connection"},
    )
    assert heard.reason.isprintable()
    assert heard.reason.isascii()
    assert heard.body.isascii()
    assert heard.body.startswith(b'{"openvet":')
    assert heard.json["detail"] == name
    (statement,) = ast.parse(heard.body.decode()).body
    assert isinstance(statement, ast.Expr)
    assert not [node for node in ast.walk(statement) if isinstance(node, (ast.Call, ast.Attribute))]
    with pytest.raises(NameError):
        exec(heard.body.decode(), {})
    for line in heard.body.decode().splitlines():
        with pytest.raises(InvalidRequirement):
            Requirement(line)
