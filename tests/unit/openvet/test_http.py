"""The outward client against a scripted server on loopback."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from openvet_install import http
from openvet_install.errors import ConfigError, UndecidedError
from openvet_install.http import Fetcher, TooLargeError
from openvet_install.http.addresses import checked
from tests.support.loghost import packed_zstd


class Script:
    """Answers (status, headers, body) by path; a list is used up one by one."""

    def __init__(self, context=None):
        self.answers = {}
        self.seen = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                script.seen.append((self.path, dict(self.headers)))
                answer = script.answers.get(self.path, (404, {}, b""))
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                status, headers, body = answer
                self.send_response(status)
                length = headers.get("Content-Length", str(len(body)))
                for name, value in {**headers, "Content-Length": length}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                if length != str(len(body)):
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.port = self.server.server_port
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def script():
    script = Script()
    yield script
    script.close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(http, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def fetcher(quick):
    with Fetcher(environ={}) as fetcher:
        yield fetcher


def get(fetcher, url, *, max_bytes=1000, accept_zstd=True):
    return fetcher.get(url, max_bytes=max_bytes, accept_zstd=accept_zstd)


def test_bytes_and_absence(script, fetcher):
    script.answers["/a"] = (200, {}, b"hello")
    assert get(fetcher, f"{script.url}/a") == b"hello"
    assert get(fetcher, f"{script.url}/b") is None


def test_encodings_are_asked_for_and_undone(script, fetcher):
    script.answers["/z"] = (200, {"Content-Encoding": "zstd"}, packed_zstd(b"x" * 900))
    assert get(fetcher, f"{script.url}/z") == b"x" * 900
    get(fetcher, f"{script.url}/z", accept_zstd=False)
    assert [headers["Accept-Encoding"] for _, headers in script.seen] == ["zstd", "identity"]


@pytest.mark.parametrize("size", [0, 999, 1000])
def test_bodies_up_to_the_cap(script, fetcher, size):
    script.answers["/a"] = (200, {}, b"x" * size)
    script.answers["/z"] = (200, {"Content-Encoding": "zstd"}, packed_zstd(b"x" * size))
    assert len(get(fetcher, f"{script.url}/a")) == size
    assert len(get(fetcher, f"{script.url}/z")) == size


@pytest.mark.parametrize("size", [1001, 50_000_000])
def test_bodies_beyond_the_cap(script, fetcher, size):
    script.answers["/a"] = (200, {}, b"x" * min(size, 100_000))
    script.answers["/z"] = (200, {"Content-Encoding": "zstd"}, packed_zstd(b"x" * size))
    script.answers["/twice"] = (200, {"Content-Encoding": "zstd"}, packed_zstd(b"x" * 900) * 2)
    for path in ("/a", "/twice"):
        with pytest.raises(TooLargeError, match=r"^http://127.0.0.1:\d+/.*: larger than 1000 bytes$"):
            get(fetcher, script.url + path)
    with pytest.raises(TooLargeError):
        get(fetcher, script.url + "/z", max_bytes=1000 if size < 2000 else 100_000)


@pytest.mark.parametrize(
    "body",
    [b"no zstd", packed_zstd(b"x" * 900)[:-3], packed_zstd(b"x" * 900) + b"tail"],
    ids=["other", "cut off", "followed"],
)
def test_bad_zstd_is_a_fault_of_the_host(script, fetcher, body):
    script.answers["/z"] = (200, {"Content-Encoding": "zstd"}, body)
    with pytest.raises(UndecidedError, match="zstd body"):
        get(fetcher, f"{script.url}/z")


def test_other_encodings_are_refused(script, fetcher):
    script.answers["/g"] = (200, {"Content-Encoding": "gzip"}, b"x")
    with pytest.raises(UndecidedError, match="unknown Content-Encoding"):
        get(fetcher, f"{script.url}/g")


def test_passing_faults_are_tried_again(script, fetcher):
    script.answers["/a"] = [(503, {}, b""), (502, {}, b""), (200, {}, b"ok")]
    assert get(fetcher, f"{script.url}/a") == b"ok"


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (500, 3), (429, 3), (403, 1), (410, 1), (204, 1)])
def test_other_answers(script, fetcher, status, tries):
    script.answers["/a"] = (status, {}, b"")
    if status == 204:
        assert get(fetcher, f"{script.url}/a") == b""
    else:
        with pytest.raises(UndecidedError) as caught:
            get(fetcher, f"{script.url}/a")
        assert caught.value.what == f"{script.url}/a: HTTP {status}"
    assert len(script.seen) == tries


def test_a_body_that_ends_early_is_a_fault(script, fetcher):
    script.answers["/a"] = (200, {"Content-Length": "50"}, b"short")
    with pytest.raises(UndecidedError):
        get(fetcher, f"{script.url}/a")
    assert len(script.seen) == 3


def test_redirects(script, fetcher):
    script.answers["/a"] = (302, {"Location": "/b"}, b"")
    script.answers["/b"] = (308, {"Location": f"{script.url}/c"}, b"")
    script.answers["/c"] = (200, {}, b"ok")
    script.answers["/loop"] = (301, {"Location": "/loop"}, b"")
    assert get(fetcher, f"{script.url}/a") == b"ok"
    with pytest.raises(UndecidedError, match="more than 5 redirects"):
        get(fetcher, f"{script.url}/loop")


@pytest.mark.parametrize(
    "to", ["http://logs.example/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "//[bad/", "http://169.254.169.254/"]
)
def test_redirects_obey_the_same_rule(script, fetcher, to):
    script.answers["/a"] = (302, {"Location": to}, b"")
    with pytest.raises(UndecidedError):
        get(fetcher, f"{script.url}/a")


def test_no_redirect_leads_inward():
    for url in ("https://127.0.0.1/x", "http://localhost/x", "https://[::1]/x"):
        with pytest.raises(UndecidedError, match="is not followed"):
            checked(url, ("https", "logs.example"))
    with pytest.raises(UndecidedError, match="is not followed"):
        checked("http://127.0.0.1/x", ("https", "127.0.0.1:8443"))
    assert checked("https://127.0.0.1/x", ("http", "127.0.0.1:80")).path == "/x"


@pytest.mark.parametrize(
    "url", ["http://logs.example/a", "ftp://logs.example/a", "file:///a", "logs.example/a", "https:///a"]
)
def test_only_https_or_loopback(fetcher, url):
    with pytest.raises(UndecidedError, match="only https is asked"):
        get(fetcher, url)


def test_logins_are_sent_and_never_shown(script, fetcher):
    script.answers["/a"] = (302, {"Location": "/b"}, b"")
    script.answers["/b"] = (403, {}, b"")
    url = f"http://me:s%40cret@127.0.0.1:{script.port}/a"
    with pytest.raises(UndecidedError) as caught:
        get(fetcher, url)
    assert "cret" not in f"{caught.value.what}{caught.value.hint}"
    assert "me:" not in caught.value.what
    expected = "Basic " + base64.b64encode(b"me:s@cret").decode()
    assert [headers.get("Authorization") for _, headers in script.seen] == [expected, expected]


def test_logins_do_not_follow_to_another_host(script, fetcher):
    other = Script()
    try:
        script.answers["/a"] = (302, {"Location": f"{other.url}/b"}, b"")
        other.answers["/b"] = (200, {}, b"ok")
        assert get(fetcher, f"http://me:secret@127.0.0.1:{script.port}/a") == b"ok"
        assert "Authorization" not in other.seen[0][1]
    finally:
        other.close()


def test_netrc_is_read(script, quick, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    script.answers["/a"] = (200, {}, b"ok")
    with Fetcher(environ={"NETRC": str(tmp_path / "netrc")}) as fetcher:
        get(fetcher, f"{script.url}/a")
    assert script.seen[0][1]["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_causes_are_named(fetcher):
    with pytest.raises(UndecidedError, match="connection refused"):
        get(fetcher, f"http://127.0.0.1:{closed_port()}/a")
    with pytest.raises(UndecidedError, match="connection refused"):
        get(fetcher, f"https://127.0.0.1:{closed_port()}/a")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_private_authorities(quick, tmp_path, variable):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    script = Script(context)
    try:
        script.answers["/a"] = (200, {}, b"ok")
        with Fetcher(environ={variable: str(tmp_path / "ca.pem")}) as trusting:
            assert get(trusting, f"{script.url}/a") == b"ok"
        with Fetcher(environ={}, tries=1) as strict, pytest.raises(UndecidedError, match="certificate does not verify"):
            get(strict, f"{script.url}/a")
        with (
            Fetcher(environ={variable: str(tmp_path / "none.pem")}) as broken,
            pytest.raises(UndecidedError, match="cannot read the certificates"),
        ):
            get(broken, f"{script.url}/a")
    finally:
        script.close()


@pytest.mark.parametrize(
    ("environ", "url", "proxy"),
    [
        ({"https_proxy": "http://p:1"}, "https://logs.example/", "http://p:1"),
        ({"HTTPS_PROXY": "p:1"}, "https://logs.example/", "http://p:1"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "https://logs.example/", "http://b:1"),
        ({"ALL_PROXY": "http://p:1"}, "https://logs.example/", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "logs.example"}, "https://logs.example/", None),
        ({"https_proxy": "http://p:1", "NO_PROXY": ".example"}, "https://logs.example/", None),
        ({"https_proxy": "http://p:1", "no_proxy": "*"}, "https://logs.example/", None),
        ({"https_proxy": ""}, "https://logs.example/", None),
        ({"http_proxy": "http://p:1"}, "https://logs.example/", None),
        ({"https_proxy": "http://p:1"}, "https://127.0.0.1/", None),
    ],
)
def test_proxies_of_the_environment(environ, url, proxy):
    with Fetcher(environ=environ) as fetcher:
        assert fetcher._proxy(checked(url, None)) == proxy


@pytest.mark.parametrize("proxy", ["socks5://p:1080", "http://", "http://p:99999", "http://[::1"])
def test_a_proxy_that_is_none_is_named_and_not_repeated(quick, proxy):
    with Fetcher(environ={"ALL_PROXY": proxy}) as fetcher, pytest.raises(ConfigError) as caught:
        get(fetcher, "https://logs.example/a")
    assert caught.value.where == "ALL_PROXY"
    assert proxy not in caught.value.what


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/\u00e4/a", "/%C3%A4/a"), ("/a b", "/a%20b"), ("/%C3%A4?x=\u00e4", "/%C3%A4?x=%C3%A4"), ("/a\x7fb", "/a%7Fb")],
)
def test_addresses_beyond_ascii(script, fetcher, path, asked):
    script.answers[asked] = (200, {}, b"ok")
    assert get(fetcher, f"{script.url}{path}") == b"ok"
    script.answers["/from"] = (302, {"Location": asked}, b"")
    assert get(fetcher, f"{script.url}/from") == b"ok"


@pytest.mark.parametrize("location", ["http://\u00e9\u00e9\u00e9/", "//[", "http://127.0.0.1:x/", "http:///a"])
def test_redirects_that_make_no_sense_are_undecided(script, fetcher, location):
    script.answers["/a"] = (302, {"Location": location}, b"")
    with pytest.raises(UndecidedError):
        get(fetcher, f"{script.url}/a")


@pytest.mark.parametrize("frames", [64, 65])
def test_frames_are_counted(script, fetcher, frames):
    """A body of many tiny frames would cost far more than its bytes."""
    script.answers["/a"] = (200, {"Content-Encoding": "zstd"}, packed_zstd(b"x") * frames)
    if frames == 64:
        assert get(fetcher, f"{script.url}/a") == b"x" * frames
        return
    with pytest.raises(UndecidedError, match="more than 64 frames"):
        get(fetcher, f"{script.url}/a")


def test_a_proxy_is_used_and_its_login_never_shown(quick):
    port = closed_port()
    environ = {"https_proxy": f"http://me:secret@127.0.0.1:{port}"}
    with Fetcher(environ=environ, tries=1) as fetcher, pytest.raises(UndecidedError) as caught:
        get(fetcher, "https://logs.example/a")
    told = f"https://logs.example/a: through the proxy http://127.0.0.1:{port}: connection refused"
    assert caught.value.what == told


def test_connections_stay_open(script, fetcher):
    script.answers["/a"] = (200, {}, b"ok")
    for _ in range(20):
        get(fetcher, f"{script.url}/a")
    pool = next(iter(fetcher._managers.values())).connection_from_url(script.url)
    assert pool.num_connections == 1
    assert pool.num_requests == 20
