"""Indexes of companies: logins from netrc and keyring, behind a proxy, with an own CA, over IPv6, slow and flapping."""

import base64
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.forwardproxy import ForwardProxy
from tests.support.indexsim import IndexSimulator, Reply
from tests.support.logsim import LogSimulator
from tests.support.projects import in_project
from tests.support.stage import BENIGN, YES, Stage
from tests.support.wheels import wheel_name

PIP = ("openvet-pip", "install")
UV = ("openvet-uv", "pip", "install")
BOTH = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
SECRET = "s3cret-word"
KEYRING = f"""#!/bin/sh
case "$*" in
  "--mode=creds --output=json get "*" reader") echo '{{"username": "reader", "password": "{SECRET}"}}' ;;
  "get "*" reader") echo {SECRET} ;;
  *) exit 1 ;;
esac
"""
"""As pip and as uv ask it."""


def installs(stage, tool, *more, env=None):
    ended = stage.run(*tool, *more, "goodlib", env=env)
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "1.0"}
    assert SECRET not in ended.out + ended.err + str(ended.report)
    return ended


def gated_by(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("goodlib", "2.0")
    stage.policy()


@BOTH
def test_a_login_from_netrc(stage, tool, tmp_path):
    gated_by(stage)
    stage.index.lies.login = ("reader", SECRET)
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login reader password {SECRET}\n")
    (tmp_path / ".netrc").chmod(0o600)
    installs(stage, tool, env={"HOME": str(tmp_path)})


@BOTH
def test_a_login_from_the_file_that_netrc_names(stage, tool, tmp_path):
    gated_by(stage)
    stage.index.lies.login = ("reader", SECRET)
    netrc = tmp_path / "logins"
    netrc.write_text(f"machine 127.0.0.1 login reader password {SECRET}\n")
    netrc.chmod(0o600)
    installs(stage, tool, env={"HOME": str(tmp_path), "NETRC": str(netrc)})


@BOTH
def test_a_login_from_keyring(stage, tool, tmp_path):
    gated_by(stage)
    stage.index.lies.login = ("reader", SECRET)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "keyring").write_text(KEYRING)
    (programs / "keyring").chmod(0o755)
    url = stage.index.simple_url.replace("://", "://reader@")
    env = {"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url, "PATH": f"{programs}:{stage.variables['PATH']}"}
    installs(stage, tool, "--keyring-provider", "subprocess", env=env)


@BOTH
def test_without_the_login_the_tool_says_so(stage, tool):
    gated_by(stage)
    stage.index.lies.login = ("reader", SECRET)
    ended = stage.run(*tool, "goodlib")
    assert ended.code not in (0, 77)
    assert stage.installed == {}


@BOTH
def test_an_index_that_leads_to_another_for_what_it_lacks(stage, tool):
    """As mirrors and package registries do, unless they are told not to."""
    gated_by(stage)
    with IndexSimulator() as front:
        front.lies.at_request = lambda _number, path: Reply(303, {"Location": stage.index.origin + path})
        urls = {"PIP_INDEX_URL": front.simple_url, "UV_DEFAULT_INDEX": front.simple_url}
        ended = stage.run(*tool, "goodlib", env=urls)
        assert ended.code == 69, ended.err
        told = f"{front.origin} leads to {stage.index.origin}, which is no index of this run: name it as one"
        assert told in ended.err
        installs(stage, tool, "--extra-index-url", stage.index.simple_url, env=urls)


@BOTH
@pytest.mark.parametrize("status", [400, 403, 404])
def test_an_index_that_turns_away_is_told_as_that(stage, tool, status):
    gated_by(stage)
    stage.index.lies.at_request = lambda _number, path: Reply(status) if path.startswith("/simple/") else None
    ended = stage.run(*tool, "goodlib")
    assert ended.code in (1, 2), ended.err
    told = f"openvet: warning: http://127.0.0.1:{stage.index.port} answered with the status {status}"
    assert (told in ended.err) == (status != 404), ended.err


@BOTH
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_an_index_that_only_the_company_s_proxy_reaches(tmp_path, tool, tls):
    names = {"packages.test": "127.0.0.1"}
    with (
        LogSimulator() as logs,
        IndexSimulator(tls=tls, host="packages.test") as index,
        ForwardProxy(login=("me", SECRET), names=names) as proxy,
    ):
        stage = Stage(tmp_path, index, logs)
        gated_by(stage)
        # The log is on this machine, and is asked directly.
        env = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.1"}
        env |= {"http_proxy": proxy.url, "https_proxy": proxy.url, "no_proxy": "127.0.0.1"}
        more = []
        if tls:
            env |= {"SSL_CERT_FILE": str(index.ca), "PIP_CERT": str(index.ca)}
        elif tool is PIP:
            more = ["--trusted-host", "packages.test"]
        installs(stage, tool, *more, env=env)
        there = f"CONNECT packages.test:{index.port}" if tls else f"GET {index.simple_url}/goodlib/"
        assert there in proxy.asked
        assert proxy.refused == 0
        assert not [one for one in index.requests if "proxy-authorization" in one.headers]


@BOTH
def test_a_network_that_is_reached_past_the_proxy(stage, tool):
    gated_by(stage)
    nowhere = dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    ended = stage.run(*tool, "goodlib", env={**nowhere, "NO_PROXY": "10.0.0.0/8"})
    assert ended.code == 69, ended.err
    assert "is out of reach through the proxy http://127.0.0.1:9: Connection refused" in ended.err
    installs(stage, tool, env={**nowhere, "NO_PROXY": "10.0.0.0/8,127.0.0.0/8"})


@BOTH
def test_an_index_at_an_ipv6_address(tmp_path, tool):
    with LogSimulator() as logs, IndexSimulator(host="[::1]") as index:
        stage = Stage(tmp_path, index, logs)
        gated_by(stage)
        installs(stage, tool)


@BOTH
def test_a_login_is_asked_for_once_and_sent_to_its_index_only(stage, tool):
    gated_by(stage)
    stage.index.lies.login = ("reader", SECRET)
    with IndexSimulator() as other:
        url = stage.index.simple_url.replace("://", f"://reader:{SECRET}@")
        env = {"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url}
        installs(stage, tool, "--extra-index-url", other.simple_url, env=env)
        assert other.requests
        assert not [one for one in other.requests if "authorization" in one.headers]
    expected = "Basic " + base64.b64encode(f"reader:{SECRET}".encode()).decode()
    assert {one.headers.get("authorization", expected) for one in stage.index.requests} == {expected}


@BOTH
def test_an_index_that_flaps_and_is_slow(stage, tool):
    gated_by(stage)
    stage.index.lies.failures = 2
    stage.index.lies.delay = 0.3
    installs(stage, tool)


# -- what we ask of our own accord, before the tool runs or without it

CARRY = BENIGN + 'carry = "content"\n'


@pytest.fixture(params=["url", "name", "netrc", "keyring"])
def way(request, stage, tmp_path):
    """Each way in which a login may be set up; `acme` has a twin of what was read, and a document of who built it."""
    stage.wheel("acme", "1.0", YES, tag="py2-none-any", files={"acme.py": ""})
    stage.wheel("acme", "1.0", files={"acme.py": ""})
    write_lock(stage, "acme")
    stage.index.lies.login = ("reader", SECRET)
    plain, env = stage.index.simple_url, {}
    url = plain.replace("://", "://reader@")
    if request.param == "url":
        url = plain.replace("://", f"://reader:{SECRET}@")
    elif request.param == "name":
        env |= {
            "UV_INDEX_OURS_USERNAME": "reader",
            "UV_INDEX_OURS_PASSWORD": SECRET,
            "UV_DEFAULT_INDEX": f"ours={plain}",
        }
    elif request.param == "netrc":
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login reader password {SECRET}\n")
        env["NETRC"] = str(tmp_path / "netrc")
    else:
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / "keyring").write_text(KEYRING)
        (programs / "keyring").chmod(0o755)
        env["PATH"] = f"{programs}:{stage.variables['PATH']}"
        env |= {"PIP_KEYRING_PROVIDER": "subprocess", "UV_KEYRING_PROVIDER": "subprocess"}
    stage.variables |= {"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url} | env
    stage.policy(CARRY)
    return request.param


@pytest.mark.parametrize(
    "command",
    [("openvet-uv", "sync"), ("openvet-uv", "pip", "install", "acme"), ("openvet-install", "check"),
     ("openvet-install", "explain", "acme==1.0"), ("openvet-install", "suggest")],
    ids=" ".join,
)  # fmt: skip
def test_each_command_finds_the_login(stage, way, command):
    if way == "name" and "explain" in command:
        stage.variables["PIP_INDEX_URL"] = stage.index.simple_url.replace(
            "://", f"://reader:{SECRET}@"
        )  # pip knows no names
    ended = stage.run(*command)
    assert ended.code == 0, ended.err
    assert SECRET not in ended.out + ended.err + str(ended.report)
    if "explain" in command:
        assert "    carried" in ended.out.splitlines()[0]


def test_a_login_goes_to_its_own_index_only(stage, way):
    """A page of another index names files of the first: the login that is asked for there is not sent."""
    with IndexSimulator() as other:
        other.lies.login = ("reader", SECRET)
        for name, entry in stage.index.entries.items():
            other.add(entry.body, filename=name)
        path = stage.project / "uv.lock"
        path.write_text(path.read_text().replace(stage.index.origin, other.origin))
        if way == "netrc":
            Path(stage.variables["NETRC"]).write_text(f"machine elsewhere login reader password {SECRET}\n")
        ended = stage.run("openvet-install", "check")
        assert ended.code == 69, ended.err
        assert "asks for a login" in ended.err
        assert not [one for one in other.requests if "authorization" in one.headers]


@pytest.mark.parametrize("where", ["project", "target", "writable"])
def test_a_keyring_that_is_not_the_user_s_is_not_started(stage, tmp_path, where):
    """T22: a check-out may bring a program of that name."""
    stage.wheel("acme", "1.0", YES, tag="py2-none-any", files={"acme.py": ""})
    stage.wheel("acme", "1.0", files={"acme.py": ""})
    write_lock(stage, "acme")
    folders = {"project": stage.project / "bin", "target": stage.environment / "bin", "writable": tmp_path / "shared"}
    folder = folders[where]
    folder.mkdir(exist_ok=True)
    (folder / "keyring").write_text(f"#!/bin/sh\ntouch {stage.marker}\n" + KEYRING)
    (folder / "keyring").chmod(0o755)
    if where == "writable":
        folder.chmod(0o1777)
    stage.index.lies.login = ("reader", SECRET)
    url = stage.index.simple_url.replace("://", "://reader@")
    stage.variables |= {"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url}
    stage.policy(CARRY)
    env = {"PATH": f"{folder}:{stage.variables['PATH']}", "PIP_KEYRING_PROVIDER": "subprocess"}
    ended = stage.run("openvet-install", "check", env=env)
    assert ended.code == 69, ended.err
    assert not stage.marker.exists()


@contextmanager
def stored(stage):
    """A store of objects: it knows signed addresses only, and refuses whoever sends a login besides."""
    asked = []
    signature = "signature=5ecret&expires=9"

    def store(_number, path):
        name = path.rpartition("/")[2]
        asked.append(name)
        signed = any(one.path == f"/bucket/{name}?{signature}" for one in other.requests)
        return Reply(200, {}, stage.index.entries[name].body) if signed else Reply(403, {}, b"")

    with IndexSimulator(host="localhost") as other:
        other.lies.at_request = store
        stage.index.lies.login = ("reader", SECRET)

        def index(_number, path):
            if path.startswith("/files/"):
                return Reply(302, {"Location": f"{other.origin}/bucket/{path.rpartition('/')[2]}?{signature}"}, b"")
            return None

        stage.index.lies.at_request = index
        url = stage.index.simple_url.replace("://", f"://reader:{SECRET}@")
        stage.variables |= {"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url}
        yield asked
        assert asked
        assert not [one for one in other.requests if "authorization" in one.headers]


@BOTH
def test_files_at_signed_addresses_of_a_store(stage, tool):
    gated_by(stage)
    stage.wheel("goodlib", "1.0", YES, requires=["more"])
    stage.sdist("more", "1.0", YES)
    stage.policy()
    with stored(stage):
        ended = stage.run(*tool, "goodlib")
        assert ended.code == 0, ended.err
        assert stage.installed == {"goodlib": "1.0", "more": "1.0"}
        assert "5ecret" not in ended.out + ended.err + str(ended.report)


@BOTH
def test_what_nobody_approved_is_not_asked_of_a_store(stage, tool):
    gated_by(stage)
    stage.wheel("bad", "1.0")
    stage.policy()
    with stored(stage) as asked:
        stage.run(*tool, "goodlib")
        ended = stage.run(*tool, "bad")
        assert ended.code == 77, ended.err
        assert not [one for one in asked if "bad" in one or "goodlib-2" in one]


def test_a_lock_whose_files_are_at_signed_addresses(stage):
    gated_by(stage)
    write_lock(stage, "goodlib==1.0")
    (stage.project / "uv.lock").unlink()
    in_project(stage)
    with stored(stage):
        for words in (["lock"], ["sync"], ["sync", "--frozen", "--reinstall"]):
            ended = stage.run("openvet-uv", *words)
            assert ended.code == 0, ended.err
        assert stage.installed == {"goodlib": "1.0"}


@BOTH
@pytest.mark.parametrize("place", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254"])
def test_an_index_of_the_web_leads_to_nothing_inside(tmp_path, tool, place):
    names = {"packages.test": "127.0.0.1"}
    with (
        LogSimulator() as logs,
        IndexSimulator(host="packages.test") as index,
        IndexSimulator() as inside,
        ForwardProxy(names=names) as proxy,
    ):
        stage = Stage(tmp_path, index, logs)
        gated_by(stage)
        inside.add(index.entries[wheel_name("goodlib", "1.0")].body, filename=wheel_name("goodlib", "1.0"))
        address = f"http://{place}:{inside.port}/files/{wheel_name('goodlib', '1.0')}"
        index.lies.redirect[f"/files/{wheel_name('goodlib', '1.0')}"] = address
        env = {"HTTP_PROXY": proxy.url, "http_proxy": proxy.url}
        env |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,169.254.169.254,::ffff:127.0.0.1")
        more = ["--trusted-host", "packages.test"] if tool is PIP else []
        ended = stage.run(*tool, *more, "goodlib", env=env)
        assert f"GET {index.simple_url}/goodlib/" in proxy.asked
        assert ended.code not in (0, 70), ended.err
        assert stage.installed == {}
        assert inside.requests == []
        assert not [one for one in proxy.asked if place in one]
