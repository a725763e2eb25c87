"""T36 tunnels and authorities, T37 smuggling, T39 other local users, T43 sizes: as raw bytes."""

from __future__ import annotations

import base64
import socket
import ssl
import threading

import pytest

from tests.support.rawclient import JSON, ask, connected, hear, send, token, tunnel

GOOD = "Host: idx.test\r\n"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_connect_is_taken_in_both_versions(running, version):
    with connected(running) as sock:
        sock.sendall(f"CONNECT idx.test:443 HTTP/{version}\r\nHost: idx.test:443\r\n{token(running)}\r\n".encode())
        assert hear(sock).status == 200


@pytest.mark.parametrize(
    "authority",
    [
        "idx.test", "idx.test.:443", "IDX.test:443", "idx@evil.test:443", "[::1%lo]:443", "2130706433:443",
        "127.1:443", "0x7f000001:443", "0177.0.0.1:443", "idx.test:0", "idx.test:00443", "idx.test:65536",
        "idx.test:443:443", "b%C3%BCcher.test:443", "[::ffff:0:0]x:443", "::1:443", "[0:0:0:0:0:0:0:1]:443",
        "[idx.test]:443", ":443", "a..b:443", "idx.test:+443", "idx.test:4 43", "http://idx.test:443",
    ],
)  # fmt: skip
def test_authorities_in_another_spelling_are_refused(running, authority):
    heard = send(running, f"CONNECT {authority} HTTP/1.1\r\nHost: x\r\n{token(running)}\r\n".encode())
    assert (heard.status, heard.closed) == (400, True)


def test_after_connect_only_tls_is_spoken(running, index):
    for first in (
        b"SSH-2.0-x\r\n",
        f"GET {index.simple_url}/demo/ HTTP/1.1\r\n\r\n".encode(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        with connected(running) as sock:
            sock.sendall(
                f"CONNECT {index.origin[7:]} HTTP/1.1\r\nHost: {index.origin[7:]}\r\n{token(running)}\r\n".encode()
            )
            assert hear(sock).status == 200
            sock.sendall(first)
            assert hear(sock).status == 0
    assert index.requests == []


def test_bytes_before_the_tunnel_are_refused(running):
    head = f"CONNECT idx.test:443 HTTP/1.1\r\nHost: idx.test:443\r\n{token(running)}\r\n".encode()
    assert send(running, head + b"\x16\x03\x01").status == 400


@pytest.mark.parametrize("sni", ["evil.test", None])
def test_the_tls_name_is_the_authority(running, sni):
    with tunnel(running, "idx.test:443", sni=sni) as tls:
        tls.sendall(b"GET /simple/demo/ HTTP/1.1\r\nHost: idx.test\r\n\r\n")
        heard = hear(tls)
    assert (heard.status, heard.closed) == (421, True)


@pytest.mark.parametrize("authority", ["127.0.0.1:4433", "[::1]:4433"])
def test_an_address_needs_no_tls_name(running, authority):
    with tunnel(running, authority) as tls:
        tls.sendall(f"GET /x HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\n\r\n".encode())
        assert hear(tls).status == 400


@pytest.mark.parametrize("host", ["evil.test", "idx.test:444", "IDX.test", "idx.test."])
def test_the_host_is_the_authority_in_every_request(running, keeper, host):
    keeper.hosts = {"nobody.test"}
    with tunnel(running, "idx.test:443") as tls:
        tls.sendall(b"GET /simple/demo/ HTTP/1.1\r\nHost: idx.test\r\n\r\n")
        assert hear(tls).status == 403
        tls.sendall(f"GET /simple/demo/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        heard = hear(tls)
    assert heard.status in (400, 421)
    assert heard.closed


def test_http_2_is_not_spoken(running):
    with tunnel(running, "idx.test:443", alpn=["h2", "http/1.1"]) as tls:
        assert tls.selected_alpn_protocol() == "http/1.1"
    with tunnel(running, "idx.test:443", alpn=["h2"]) as tls:
        assert tls.selected_alpn_protocol() is None
        tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert hear(tls).status == 400


@pytest.mark.parametrize(
    "target", ["http://idx.test/x", "idx.test/x", "*", "/simple/../x", "/simple/%2e%2e/x", "/a\\b"]
)
def test_inside_a_tunnel_targets_are_plain_paths(running, target):
    with tunnel(running, "idx.test:443") as tls:
        tls.sendall(f"GET {target} HTTP/1.1\r\nHost: idx.test\r\n\r\n".encode())
        assert hear(tls).status == 400


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Content-Length: 5\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Content-Length: 0\r\nContent-Length: 0\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Upgrade: h2c\r\n", 400),
        ("Expect: 100-continue\r\n", 400),
        ("Host: other.test\r\n", 400),
        ("X: a\r\n b\r\n", 400),
        ("X: a\rY: b\r\n", 400),
        ("X: a\nY: b\r\n", 400),
        ("X : a\r\n", 400),
        ("X\r\n", 400),
        ("X: \0\r\n", 400),
        ("Authorization: a\r\nAuthorization: b\r\n", 400),
        ("X: " + "a" * 100_000 + "\r\n", 431),
        ("X: a\r\n" * 200, 431),
    ],
)
def test_heads_that_could_be_read_two_ways(running, index, lines, status):
    raw = f"GET {index.simple_url}/demo/ HTTP/1.1\r\nHost: 127.0.0.1:{index.port}\r\n{token(running)}{lines}\r\n"
    heard = send(running, raw.encode("latin-1") + b"GET /smuggled HTTP/1.1\r\n\r\n")
    assert (heard.status, heard.closed) == (status, True)
    assert index.requests == []


@pytest.mark.parametrize(
    "line",
    [
        "GET /simple/demo/ HTTP/1.1",
        "GET https://idx.test/ HTTP/1.1",
        "GET ftp://idx.test/ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ],
)
def test_only_absolute_http_targets_outside_a_tunnel(running, line):
    heard = send(running, f"{line}\r\n{GOOD}{token(running)}\r\n".encode())
    assert heard.status == 400


@pytest.mark.parametrize(
    "line",
    [
        "GET  http://idx.test/ HTTP/1.1",
        "GET http://idx.test/ HTTP/2.0",
        "get http://idx.test/ HTTP/1.1",
        "\r\nGET http://idx.test/ HTTP/1.1",
    ],
)
def test_request_lines_are_exact(running, line):
    assert send(running, f"{line}\r\n{GOOD}{token(running)}\r\n".encode()).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_is_passed_on(running, index, method):
    heard = ask(running, f"{index.simple_url}/demo/", method=method, more="Content-Length: 3\r\n")
    assert (heard.status, heard.reason, heard.closed) == (403, f"{method} is not passed on", True)
    assert index.requests == []


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Proxy-Authorization: Basic b3BlbnZldDp4\r\n",
        "Proxy-Authorization: Basic \xff\r\n",
        "Proxy-Authorization: Bearer x\r\n",
        "Authorization: Basic eDp5\r\n",
    ],
)
@pytest.mark.parametrize("line", ["CONNECT idx.test:443", "GET http://idx.test/", "GET /", "POST http://idx.test/"])
def test_without_the_token_there_is_nothing(running, line, given):
    heard = send(running, f"{line} HTTP/1.1\r\n{GOOD}{given}\r\n".encode("latin-1"))
    assert (heard.status, heard.closed) == (407, True)


def test_the_token_is_asked_for_in_every_plain_request(running, index):
    url, host = f"{index.simple_url}/demo/", f"Host: 127.0.0.1:{index.port}\r\n"
    with connected(running) as sock:
        sock.sendall(f"GET {url} HTTP/1.1\r\n{host}{token(running)}Accept: {JSON}\r\n\r\n".encode())
        assert hear(sock).status == 200
        sock.sendall(f"GET {url} HTTP/1.1\r\n{host}Accept: {JSON}\r\n\r\n".encode())
        assert hear(sock).status == 407
    assert all("proxy-authorization" not in one.headers for one in index.requests)


def test_the_gateway_listens_on_loopback_only(running):
    assert running.host == "127.0.0.1"
    with socket.socket() as sock:
        sock.settimeout(2)
        with pytest.raises(ConnectionRefusedError):
            sock.connect(("127.0.0.2", running.port))


def test_ten_thousand_connections_do_not_end_it(running, index):
    others = threading.active_count()
    sockets = [socket.create_connection((running.host, running.port), timeout=5) for _ in range(300)]
    try:
        assert threading.active_count() - others < 300
    finally:
        for sock in sockets:
            sock.close()
    for _ in range(50):
        heard = None
        try:
            heard = ask(running, f"{index.simple_url}/demo/", accept=JSON)
        except OSError:
            continue
        if heard.status == 200:
            break
    assert heard is not None
    assert heard.status == 200


def test_the_certificate_of_another_run_is_not_trusted(running, tmp_path):
    from tests.support.gatekeepers import Permissive, gateway

    with gateway(Permissive(), tmp_path / "other") as other, connected(running) as sock:
        context = ssl.create_default_context(cafile=str(other.bundle))
        sock.sendall(f"CONNECT idx.test:443 HTTP/1.1\r\nHost: idx.test:443\r\n{token(running)}\r\n".encode())
        assert hear(sock).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(sock, server_hostname="idx.test")


def test_the_token_is_no_secret_of_the_wrong_user(running):
    given = base64.b64encode(f"other:{running.token}".encode()).decode()
    assert (
        send(
            running, f"GET http://idx.test/ HTTP/1.1\r\n{GOOD}Proxy-Authorization: Basic {given}\r\n\r\n".encode()
        ).status
        == 407
    )
