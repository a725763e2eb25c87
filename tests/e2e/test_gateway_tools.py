"""The real pip and the real uv behind the gateway, with a gatekeeper that lets everything through."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from openvet_install.gate import opening
from openvet_install.gateway import Refusal
from openvet_install.gateway.outside import Outside
from openvet_install.installers.environment import upstream_settings
from tests.support.gatekeepers import Permissive, child_environment, gateway
from tests.support.indexsim import IndexSimulator, wheel

UV = Path(sys.executable).parent / "uv"
TOOLS = {
    "pip": [sys.executable, "-m", "pip", "install", "-q", "--target"],
    "uv": [str(UV), "pip", "install", "-q", "--target"],
}


def run(tool: str, target: Path, arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*TOOLS[tool], str(target), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def outside_of(index: IndexSimulator) -> Outside:
    return Outside(bundle=str(index.ca) if index.ca else None)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_installs_from_a_loopback_index(tmp_path, tool, tls, html):
    with IndexSimulator(tls=tls, host="localhost") as index:
        index.lies.html = html
        index.add(wheel("demo", requires=("other>=1",)), filename="demo-1.0-py3-none-any.whl")
        index.add(wheel("other", "2.0"), filename="other-2.0-py3-none-any.whl", metadata=b"Name: lies\n")
        keeper = Permissive()
        with gateway(keeper, tmp_path, outside_of(index)) as running:
            options = ["--index-url", index.simple_url, "demo"]
            if tool == "pip" and not tls:
                options = ["--trusted-host", "localhost", *options]
            done = run(tool, tmp_path / "t", options, child_environment(running, tmp_path, dict(os.environ)))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "t" / "other.py").is_file()
        assert running.faults == ()
        assert keeper.troubles == []
        assert not [one for one in index.requests if one.path.endswith(".metadata")]
        files = [one.path for one in index.requests if one.path.startswith("/files/")]
        assert len(files) == len(set(files)) == 2
        assert not [one for one in index.requests if "proxy-authorization" in one.headers]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_login_in_the_index_url_works_over_tls(tmp_path, tool):
    with IndexSimulator(tls=True, host="localhost") as index:
        index.lies.login = ("me", "secret")
        index.add(wheel(), filename="demo-1.0-py3-none-any.whl")
        keeper = Permissive()
        with gateway(keeper, tmp_path, outside_of(index)) as running:
            url = index.simple_url.replace("//", "//me:secret@")
            environment = child_environment(running, tmp_path, dict(os.environ))
            done = run(tool, tmp_path / "t", ["--index-url", url, "demo"], environment)
        assert done.returncode == 0, done.stderr
        assert not [file for file in keeper.listed.values() if "secret" in file.url + file.index]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_refused_file_stops_the_tool_and_shows_the_reason(tmp_path, tool):
    with IndexSimulator(tls=True, host="localhost") as index:
        index.add(wheel(), filename="demo-1.0-py3-none-any.whl")
        keeper = Permissive()
        keeper.approved = lambda file, blob: Refusal(403, "demo 1.0 is not approved", "no audit names it")
        with gateway(keeper, tmp_path, outside_of(index)) as running:
            environment = child_environment(running, tmp_path, dict(os.environ))
            done = run(tool, tmp_path / "t", ["--index-url", index.simple_url, "demo"], environment)
        assert done.returncode != 0
        assert "demo 1.0 is not approved" in done.stderr
        assert not (tmp_path / "t" / "demo.py").exists()


@pytest.mark.parametrize("tool", TOOLS)
def test_another_certificate_than_the_gateways_is_not_trusted(tmp_path, tool):
    with IndexSimulator(tls=True, host="localhost") as index:
        index.add(wheel(), filename="demo-1.0-py3-none-any.whl")
        with gateway(Permissive(), tmp_path, outside_of(index)) as running:
            environment = child_environment(running, tmp_path, dict(os.environ)) | {"NO_PROXY": "*", "no_proxy": "*"}
            done = run(tool, tmp_path / "t", ["--index-url", index.simple_url, "demo"], environment)
        assert done.returncode != 0
        assert index.requests == []


@pytest.mark.network
@pytest.mark.parametrize("tool", TOOLS)
def test_installs_from_the_public_index(tmp_path, tool):
    keeper = Permissive()
    with gateway(keeper, tmp_path, opening.outside_of(upstream_settings("pip", os.environ))) as running:
        environment = child_environment(running, tmp_path, dict(os.environ))
        done = run(tool, tmp_path / "t", ["itsdangerous"], environment)
    assert done.returncode == 0, done.stderr
    assert running.faults == ()
    assert (tmp_path / "t" / "itsdangerous").is_dir()
    assert keeper.released


def test_an_upload_does_not_reach_the_index(tmp_path):
    with IndexSimulator(tls=True, host="localhost") as index:
        path = tmp_path / "demo-1.0-py3-none-any.whl"
        path.write_bytes(wheel())
        with gateway(Permissive(), tmp_path, outside_of(index)) as running:
            environment = child_environment(running, tmp_path, dict(os.environ))
            command = [str(UV), "publish", "--publish-url", f"{index.origin}/legacy/", "--token", "t", str(path)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "POST is not passed on" in " ".join(done.stderr.split())
        assert [one for one in index.requests if one.method == "POST"] == []
