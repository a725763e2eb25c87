"""T23: what `exec` starts is led by variables and held by the namespace; without one it says so. T07, T09, T12, T34."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pip
import pytest

from tests.support.indexsim import IndexSimulator
from tests.support.projects import in_project, write
from tests.support.stage import BENIGN, ISOLATION, NO, PROGRAMS, YES, read_report
from tests.support.wheels import make_wheel, wheel_name

ALONE = BENIGN.replace(f'isolation = "{ISOLATION}"', 'isolation = "require"')
AUTO = BENIGN.replace(f'isolation = "{ISOLATION}"', 'isolation = "auto"')
HERE = subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0
NO_NAMESPACES = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"]
needs_namespaces = pytest.mark.skipif(not HERE, reason="no user namespaces here")

ASK = """
import json, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": sys.argv[1]}))
found = []
for url in sys.argv[2:]:
    try:
        found.append(len(opener.open(url, timeout=20).read()))
    except urllib.error.HTTPError as error:
        found.append(f"{error.code} {error.reason}")
print(json.dumps(found))
"""


@pytest.fixture
def gated(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("evil", "1.0", NO)
    stage.policy()
    stage.pip = [str(stage.environment / "bin" / "python"), str(Path(pip.__file__).parent)]  # the command's own
    stage.has_evil = lambda: "evil" in stage.installed
    return stage


def around(stage, *, env=None, before=()):
    """A pip of the command's own that does all it can to avoid the gateway."""
    report = stage.folder / "r.json"
    index = stage.index.simple_url
    words = ["install", "-q", "--isolated", "--proxy", "", "--trusted-host", "127.0.0.1", "-i", index, "evil"]
    command = [str(PROGRAMS / "openvet-install"), "exec", f"--report=json:{report}", "--"]
    command = [*before, *command, *stage.pip, *words]
    ended = subprocess.run(
        command, env=stage.variables | (env or {}) | {"NO_PROXY": "*", "no_proxy": "*"}, cwd=stage.project,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return ended, read_report(report)


@needs_namespaces
@pytest.mark.parametrize("policy", [ALONE, AUTO], ids=["require", "auto"])
def test_in_a_network_of_its_own_nothing_gets_around(gated, policy):
    gated.policy(policy)
    ended, report = around(gated)
    assert ended.returncode != 0
    assert not gated.has_evil()
    assert gated.index.requests == []
    assert "guard rail" not in ended.stderr
    assert report["isolation"] == {"state": "on", "reason": None}


@needs_namespaces
def test_without_one_it_is_a_guard_rail_and_says_so(gated):
    gated.policy(AUTO)
    ended, report = around(gated, before=NO_NAMESPACES)
    assert gated.has_evil()  # what a guard rail is
    assert "openvet: note: guard rail: no user namespaces here" in ended.stderr
    assert "a program that avoids the proxy is not held" in ended.stderr
    assert report["isolation"]["reason"].startswith("guard rail: ")


@needs_namespaces
def test_require_stops_before_the_command_starts(gated):
    gated.policy(ALONE)
    ended, report = around(gated, before=NO_NAMESPACES)
    assert ended.returncode == 78
    assert not gated.has_evil()
    assert report["outcome"] == "failed"


@pytest.mark.parametrize(
    "env",
    [
        {"NO_PROXY": "*", "no_proxy": "*"},
        {"ALL_PROXY": "http://127.0.0.1:9", "PIP_PROXY": "http://127.0.0.1:9"},
        {"PIP_NO_PROXY_ENV": "1"},
        {"PIP_ISOLATED": "1"},
        {"PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"},
    ],
)
def test_no_variable_leads_around(gated, env):
    ended = gated.run("openvet-install", "exec", "--", *gated.pip, "install", "evil", env=env)
    assert ended.code in (69, 77), ended.err
    assert not gated.has_evil()


@pytest.mark.parametrize(
    "key", ['http-proxy = "http://127.0.0.1:9"', 'no-proxy = ["*"]', 'allow-insecure-host = ["h"]']
)
@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml"])
def test_no_key_of_uv_leads_around(gated, key, name):
    (gated.project / name).write_text(key if name == "uv.toml" else f"[tool.uv]\n{key}\n")
    ended = gated.run("openvet-install", "exec", "--", "echo", "started")
    assert (ended.code, ended.out) == (78, "")
    assert name in ended.err


def test_a_variable_that_fetches_past_us_is_named(gated):
    script = 'test -z "$UV_PYTHON_INSTALL_MIRROR"'
    env = {"UV_PYTHON_INSTALL_MIRROR": "http://127.0.0.1:9"}
    ended = gated.run("openvet-install", "exec", "--", "sh", "-ec", script, env=env)
    assert ended.code == 0
    assert "openvet: note: UV_PYTHON_INSTALL_MIRROR has no effect in a gated run" in ended.err


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({}, "cache/pypoetry/virtualenvs"),
        ({"project/poetry.toml": 'cache-dir = "/there"'}, "/there/virtualenvs"),
        ({"config/pypoetry/config.toml": '[virtualenvs]\npath = "/own"'}, "/own"),
    ],
)
def test_caches_of_other_tools_are_empty_ones(gated, said, path):
    """T29: what poetry and pdm have in theirs they install without a question; environments stay where they are."""
    for name, text in said.items():
        (gated.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (gated.folder / name).write_text(text)
    script = 'cd "$POETRY_CACHE_DIR/.." && ls && echo $POETRY_VIRTUALENVS_PATH $PDM_CACHE_DIR $PDM_INSTALL_CACHE && pwd'
    ended = gated.run("openvet-install", "exec", "--", "sh", "-ec", script)
    assert ended.code == 0, ended.err
    *inside, told, folder = ended.out.splitlines()
    assert not {"poetry-cache", "pdm-cache"} & set(inside)
    assert told == f"{gated.folder / path} {folder}/pdm-cache 0"


def asked(stage, variable, *urls):
    script = f'{sys.executable} -c "$0" "${variable}" "$@"'
    ended = stage.run("openvet-install", "exec", "--", "sh", "-c", script, ASK, *urls)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_the_two_logins_open_two_different_doors(gated):
    """What a log serves could be any bytes: no installer may be led there. And a gate inside needs no packages so."""
    evil, log = f"{gated.index.origin}/files/evil-1.0-py3-none-any.whl", f"{gated.log.url}/log/head"
    beside = gated.log.url.rpartition("/")[0] + "/beside/x-1.0.tar.gz"
    through = asked(gated, "OPENVET_INSTALL_THROUGH", log, evil, beside, f"{gated.log.url}/../x-1.0.tar.gz")
    assert isinstance(through[0], int)
    assert [str(one)[:3] for one in through[1:3]] == ["403", "403"]
    assert not isinstance(through[3], int)
    (as_package,) = asked(gated, "http_proxy", log)
    assert str(as_package).startswith("403")


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/x-1.0.tar.gz", "http://127.0.0.1:9/x-1.0.tar.gz"])
def test_private_addresses_are_not_asked(gated, url):
    assert str(asked(gated, "http_proxy", url)[0]).startswith("403 host not admitted")


def test_bytes_from_anywhere_are_judged(gated):
    files = f"{gated.index.origin}/files/evil-1.0-py3-none-any.whl"
    ended = gated.run("openvet-install", "exec", "--", *gated.pip, "install", files)
    assert ended.code == 77, ended.err
    assert not gated.has_evil()


LOCK = """version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "mine"
version = "1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "{name}" }}]

[package.metadata]
requires-dist = [{{ name = "{name}" }}]

[[package]]
name = "{name}"
version = "1.0"
source = {{ registry = "{index}" }}
wheels = [{{ url = "{url}", hash = "sha256:{sha256}" }}]
"""


@pytest.mark.parametrize("name", ["goodlib", "evil"])
@pytest.mark.parametrize("known", [True, False])
def test_files_of_a_lock_at_a_host_of_a_private_index(gated, name, known):
    """T34: uv asks no index for what a lock names; the host of its files is asked where the index is a known one."""
    in_project(gated)
    write(gated, name)
    with IndexSimulator() as files:
        raw = make_wheel(name, "1.0")
        files.add(raw, filename=wheel_name(name, "1.0"))
        url, sha256 = f"{files.origin}/files/{wheel_name(name, '1.0')}", hashlib.sha256(raw).hexdigest()
        index = gated.index.simple_url if known else f"{files.origin}/simple"
        (gated.project / "uv.lock").write_text(LOCK.format(name=name, index=index, url=url, sha256=sha256))
        ended = gated.run("openvet-install", "exec", "--", str(PROGRAMS / "uv"), "sync", "--frozen", "-q")
        good = known and name == "goodlib"
        assert (ended.code == 0) is good, ended.err
        assert gated.installed == ({"goodlib": "1.0"} if good else {})
        assert bool(files.requests) is good
