"""Logs as people reach them: private authorities, proxies, logins, redirects, zstd, mirrors; and odd answers."""

import base64
import ssl

import pytest
import trustme

from tests.support.fronts import Answer, front, honest, proxy
from tests.support.loghost import packed_zstd
from tests.support.stage import BENIGN, YES

EVERY = BENIGN + 'check-every = "0s"\n'
BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


@pytest.fixture
def authority(tmp_path):
    """A private authority: (where its certificate lies, a server's context for `logs.example` and 127.0.0.1)."""
    private = trustme.CA()
    private.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    private.issue_cert("logs.example", "127.0.0.1").configure_cert(context)
    return str(tmp_path / "ca.pem"), context


def reach(stage, url, more="", **env):
    """First sight, then an install by the look of the run itself; return both ends."""
    (stage.project / "openvet.toml").write_text(f'[log.alice]\nurl = "{url}"\n{EVERY}{more}')
    if not stage.index.entries:
        stage.wheel("fine", "1.0", YES)
    updated = stage.run("openvet-install", "update", env=env)
    if updated.code:
        return updated, updated
    stage.log.publish("news", "1")
    return updated, stage.run("openvet-pip", "install", "fine", env=env)


def reached(stage, url, more="", **env):
    updated, installed = reach(stage, url, more, **env)
    assert updated.code == 0, updated.err
    assert installed.code == 0, installed.err
    assert stage.installed == {"fine": "1.0"}
    assert "secret" not in updated.out + updated.err + installed.err
    return installed


def unreached(stage, code, what, url, more="", **env):
    updated, _ = reach(stage, url, more, **env)
    assert updated.code == code, updated.err
    assert what in updated.err
    assert "secret" not in updated.err
    assert not (stage.project / "openvet.lock").exists()


def test_a_private_authority(stage, authority):
    bundle, context = authority
    with front(stage.logs, context=context) as port:
        url = f"https://127.0.0.1:{port}/alice"
        unreached(stage, 69, "its certificate does not verify", url)
        reached(stage, url, SSL_CERT_FILE=bundle)


def test_a_proxy_with_a_login(stage, authority):
    bundle, context = authority
    url = "https://logs.example/alice"
    with front(stage.logs, context=context) as port, proxy(port, BASIC) as (through, seen):
        unreached(
            stage, 69, f"{url}: ", url, SSL_CERT_FILE=bundle, HTTPS_PROXY=f"http://me:wrong-secret@127.0.0.1:{through}"
        )
        reached(stage, url, SSL_CERT_FILE=bundle, HTTPS_PROXY=f"http://me:secret@127.0.0.1:{through}")
        assert set(seen) == {"logs.example:443"}


@pytest.mark.parametrize("how", ["netrc", "url"])
def test_a_login(stage, how, tmp_path):
    def script(asked):
        return honest(asked) if asked.headers.get("authorization") == BASIC else Answer(401)

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    with front(stage.logs, script) as port:
        url = f"http://127.0.0.1:{port}/alice"
        unreached(stage, 69, "HTTP 401", url)
        if how == "netrc":
            reached(stage, url, NETRC=str(tmp_path / "netrc"))
        else:
            reached(stage, url.replace("://", "://me:secret@"))


@pytest.mark.parametrize("hops", [5, 6])
def test_redirects_are_followed_five_times(stage, hops):
    def script(asked):
        head, mark, path = asked.path.partition("/alice/")
        depth = len(head) // 2
        if depth == hops:
            return honest(asked._replace(honest=stage.log.answer(path.removeprefix("log/"))))
        return Answer(302, headers={"Location": f"{head}/x{mark}{path}"})

    with front(stage.logs, script) as port:
        if hops == 5:
            reached(stage, f"http://127.0.0.1:{port}/alice")
        else:
            unreached(stage, 69, "more than 5 redirects", f"http://127.0.0.1:{port}/alice")


@pytest.mark.parametrize("location", ["http://logs.example/alice/log/head", "ftp://127.0.0.1/", "file:///etc/passwd"])
def test_redirects_out_of_https_are_not_followed(stage, location):
    with front(stage.logs, lambda _asked: Answer(302, headers={"Location": location})) as port:
        unreached(stage, 69, "only https is asked", f"http://127.0.0.1:{port}/alice")


def test_zstd_where_it_is_taken(stage):
    asked_for = set()

    def script(asked):
        asked_for.add((asked.path.endswith("/head"), asked.headers["accept-encoding"]))
        said = honest(asked)
        if asked.path.endswith("/head") or said.status != 200:
            return said
        return said._replace(body=packed_zstd(said.body), headers={"Content-Encoding": "zstd"})

    with front(stage.logs, script) as port:
        reached(stage, f"http://127.0.0.1:{port}/alice")
    assert asked_for == {(True, "identity"), (False, "zstd")}


BOMB = packed_zstd(bytes(200 * 1024 * 1024))
ODD = {
    "a zstd bomb": (Answer(200, BOMB, {"Content-Encoding": "zstd"}), 65, "larger than"),
    "a body without end": (Answer(200, bytes(5 * 1024 * 1024)), 65, "larger than"),
    "gzip": (Answer(200, b"x", {"Content-Encoding": "gzip"}), 69, "unknown Content-Encoding"),
    "other bytes": (Answer(200, b"<html>sign in"), 65, "not the commit of that name"),
    "nothing": (Answer(404), 69, "is missing"),
    "half": (Answer(200, b"x" * 10, {"Content-Length": "100"}), 69, "the connection"),
    "an error": (Answer(500, b"x"), 69, "HTTP 500"),
    "a teapot": (Answer(418, b"x"), 69, "HTTP 418"),
    "no content": (Answer(204), 65, "not the commit of that name"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_answers_for_an_object(stage, name):
    said, code, what = ODD[name]
    with front(stage.logs, lambda asked: said if "/commit/" in asked.path else honest(asked)) as port:
        unreached(stage, code, what, f"http://127.0.0.1:{port}/alice")


@pytest.mark.parametrize(
    ("said", "code", "what"),
    [
        (Answer(200, b"<html>sign in to the network</html>"), 65, "no head of a log"),
        (Answer(200, b"ab" * 32), 65, "no head of a log"),
        (Answer(200, b"x" * 5000), 65, "larger than"),
        (Answer(404), 69, "there is no log"),
        (Answer(200, b"\0" * 32), 69, "is missing"),
    ],
    ids=["a portal", "hexadecimal", "long", "missing", "no such commit"],
)
def test_odd_answers_for_the_head(stage, said, code, what):
    with front(stage.logs, lambda asked: said if asked.path.endswith("/head") else honest(asked)) as port:
        unreached(stage, code, what, f"http://127.0.0.1:{port}/alice")


@pytest.mark.parametrize("how", ["down", "refuses", "hides objects", "falsifies objects"])
def test_a_mirror_answers_where_the_first_does_not(stage, how):
    def script(asked):
        if how == "down" or asked.path.endswith("/head"):
            return Answer(503) if how == "down" else honest(asked)
        return Answer(404) if how == "hides objects" else Answer(200, b"other bytes")

    with front(stage.logs, script) as port:
        url = f"http://127.0.0.1:{port if how != 'refuses' else 9}/alice"
        ended = reached(stage, url, f'[install.log.alice]\nmirrors = ["{stage.log.url}"]\n')
    assert [log["url"] for log in ended.report["logs"]] == [url]


def test_all_hosts_away_are_named_with_their_causes(stage):
    with front(stage.logs, lambda _asked: Answer(503)) as port:
        mirror = f"http://127.0.0.1:{port}/alice"
        more = f'[install.log.alice]\nmirrors = ["{mirror}"]\n'
        url = "http://127.0.0.1:9/alice"
        unreached(stage, 69, f"{url}: connection refused; {mirror}: HTTP 503", url, more)
