"""T10: the certificate of a host is left unchecked only where the user says so, for that host, and without a login."""

import shutil

import pytest

from tests.support.indexsim import IndexSimulator
from tests.support.logsim import LogSimulator
from tests.support.stage import YES, Stage, make_environment

PIP = ("openvet-pip", "install", "goodlib")
UV = ("openvet-uv", "pip", "install", "goodlib")
SECRET = "s3cret-word"


@pytest.fixture
def unknown(tmp_path):
    """A stage whose index has a certificate that nobody here vouches for; what it says may be kept for a minute."""
    with LogSimulator() as logs, IndexSimulator(tls=True, host="localhost") as index:
        stage = Stage(tmp_path, index, logs)
        stage.wheel("goodlib", "1.0", YES)
        stage.wheel("goodlib", "2.0")
        stage.policy()
        yield stage


SAID = [
    (PIP, ["--trusted-host", "localhost"], {}),
    (PIP, [], {"PIP_TRUSTED_HOST": "elsewhere localhost:PORT"}),
    (UV, ["--allow-insecure-host", "localhost:PORT"], {}),
    (UV, [], {"UV_INSECURE_HOST": "https://localhost elsewhere"}),
    (("openvet-install", "exec", "--", "uv", "pip", "install", "goodlib"), [], {"UV_INSECURE_HOST": "localhost"}),
]


@pytest.mark.parametrize(("tool", "words", "variables"), SAID, ids=lambda one: " ".join(one) or "-")
def test_what_the_user_says_counts(unknown, tool, words, variables):
    port = str(unknown.index.port)
    words = [one.replace("PORT", port) for one in words]
    ended = unknown.run(*tool, *words, env={name: text.replace("PORT", port) for name, text in variables.items()})
    assert ended.code == 0, ended.err
    assert unknown.installed == {"goodlib": "1.0"}
    assert "InsecureRequestWarning" not in ended.err


OTHERS = [
    (PIP, [], {}),
    (UV, [], {}),
    (PIP, ["--trusted-host", "localhost:1"], {"UV_INSECURE_HOST": "localhost"}),
    (UV, ["--allow-insecure-host", "127.0.0.1"], {"PIP_TRUSTED_HOST": "localhost", "UV_INSECURE_HOST": "*"}),
    (UV, [], {"UV_INSECURE_HOST": "http://localhost"}),
]


@pytest.mark.parametrize(("tool", "words", "variables"), OTHERS, ids=lambda one: " ".join(one) or "-")
def test_what_is_said_of_others_does_not(unknown, tool, words, variables):
    ended = unknown.run(*tool, *words, env=variables)
    assert ended.code == 69, ended.err
    assert "CERTIFICATE_VERIFY_FAILED" in ended.err
    assert unknown.installed == {}
    assert unknown.index.requests == []


@pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
def test_no_login_goes_there(unknown, tool):
    unknown.index.lies.login = ("reader", SECRET)
    url = unknown.index.simple_url.replace("://", f"://reader:{SECRET}@")
    words = ["--trusted-host" if tool is PIP else "--allow-insecure-host", "localhost"]
    ended = unknown.run(*tool, *words, env={"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url})
    assert ended.code == 69, ended.err
    assert "its certificate is not looked at" in ended.err
    assert unknown.installed == {}
    assert not [one for one in unknown.index.requests if "authorization" in one.headers]


def test_what_came_from_there_is_not_kept(unknown):
    for asked in (1, 2):
        ended = unknown.run(*UV, env={"UV_INSECURE_HOST": "localhost"})
        assert ended.code == 0, ended.err
        assert sum(one.path.startswith("/simple/goodlib") for one in unknown.index.requests) == asked
        shutil.rmtree(unknown.environment)
        make_environment(unknown.environment)


def test_the_doctor_says_so(unknown):
    ended = unknown.run("openvet-install", "doctor", env={"PIP_TRUSTED_HOST": "localhost"})
    assert "certificates of localhost are not looked at" in ended.out, ended.out
