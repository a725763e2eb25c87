"""`--torch-backend`: uv asks an index that nobody has named; what comes from there is judged like everything else."""

import hashlib
import json
import subprocess

import pytest

from openvet_install.installers import uv_torch
from openvet_install.installers.passing import flag_table
from openvet_install.installers.tokens import Token
from openvet_install.installers.uv_around import look_around
from tests.support.fronts import proxy
from tests.support.indexsim import JSON, IndexSimulator, Reply
from tests.support.logsim import LogSimulator
from tests.support.stage import PROGRAMS, YES, Stage
from tests.support.wheels import make_wheel, wheel_name

INSTALL = ("openvet-uv", "pip", "install", "torch")
WORDS = ("pip", "install")


def index_of_torch(stage):
    """Where uv of the tests looks for it."""
    backend = Token(flag_table("uv", WORDS)["--torch-backend"], "--torch-backend", "cpu")
    environ = {"PATH": stage.variables["PATH"], "HOME": str(stage.folder)}
    around = uv_torch.with_torch(look_around([backend], environ, str(stage.project), WORDS), [backend])
    assert not uv_torch.with_torch(look_around([], environ, str(stage.project), WORDS), []).indexes[1:]
    return around.indexes[-1]


@pytest.fixture
def behind(tmp_path):
    """A stage, and the index of PyTorch as a proxy leads to it: two releases, the older one approved."""
    with LogSimulator() as logs, IndexSimulator() as index:
        stage = Stage(tmp_path, index, logs)
        there = index_of_torch(stage)
        assert there.explicit
        host = there.url.split("/")[2]
        with IndexSimulator(tls=True, host=host) as torch, proxy(torch.port) as (port, asked):
            files = []
            bodies = {}
            for version in ("1.0+cpu", "2.0+cpu"):
                name, body = wheel_name("torch", version), make_wheel("torch", version)
                digest = hashlib.sha256(body).hexdigest()
                files.append({"filename": name, "url": name.replace("+", "%2B"), "hashes": {"sha256": digest}})
                bodies[f"/whl/cpu/torch/{files[-1]['url']}"] = body
                if version == "1.0+cpu":
                    stage.log.publish("torch", version, sha256=digest, claims=YES)
            page = json.dumps({"meta": {"api-version": "1.0"}, "name": "torch", "files": files}).encode()

            def answer(_number, path):
                if path == "/whl/cpu/torch/":
                    return Reply(200, {"Content-Type": JSON}, page)
                return Reply(200, {}, bodies[path]) if path in bodies else None

            torch.lies.at_request = answer
            stage.policy()
            stage.variables |= {"HTTPS_PROXY": f"http://127.0.0.1:{port}", "SSL_CERT_FILE": str(torch.ca)}
            yield stage
            assert set(asked) <= {f"{host}:443"}


@pytest.mark.parametrize("way", ["flag", "variable", "file of the user", "project"])
def test_the_newest_approved_release_of_a_backend(behind, way):
    config = behind.folder / "config/uv/uv.toml"
    config.parent.mkdir(parents=True)
    if way == "file of the user":
        config.write_text('torch-backend = "cpu"\n')
    if way == "project":
        (behind.project / "pyproject.toml").write_text('[tool.uv.pip]\ntorch-backend = "cpu"\n')
    words = ["--torch-backend=cpu"] if way == "flag" else []
    ended = behind.run(*INSTALL, *words, env={"UV_TORCH_BACKEND": "cpu"} if way == "variable" else {})
    assert ended.code == 0, ended.err
    assert behind.installed == {"torch": "1.0+cpu"}
    assert "held back: torch 1.0+cpu, newest 2.0+cpu is unaudited" in ended.err


def test_what_nobody_approved_of_it_is_blocked(behind):
    ended = behind.run(*INSTALL, "torch==2.0", "--torch-backend=cpu")
    assert ended.code == 77, ended.err
    assert "pypi:torch@2.0+cpu?py3-none-any    unaudited" in ended.err
    assert behind.installed == {}


def test_a_host_that_is_away_is_no_missing_package(behind):
    ended = behind.run(*INSTALL, "--torch-backend=cpu", env={"HTTPS_PROXY": "http://127.0.0.1:9"})
    assert ended.code == 69, ended.err


@pytest.mark.parametrize("way", ["flag", "variable", "key", "compile"])
def test_no_program_of_the_target_says_which_card_this_is(behind, way):
    """With `auto` uv starts `nvidia-smi`, the first on PATH."""
    marker = behind.folder / "ran"
    for name in ("nvidia-smi", "rocm_agent_enumerator"):
        program = behind.environment / "bin" / name
        program.write_text(f"#!/bin/sh\ntouch {marker}\nexit 1\n")
        program.chmod(0o755)
    env = {"PATH": f"{behind.environment / 'bin'}:{behind.variables['PATH']}"}
    env |= {"UV_TORCH_BACKEND": "auto"} if way in ("variable", "compile") else {}
    if way == "key":
        (behind.project / "uv.toml").write_text('[pip]\ntorch-backend = "auto"\n')
    words = ["--torch-backend=auto"] if way == "flag" else []
    plain = [str(PROGRAMS / "uv"), "pip", "install", "--dry-run", "--no-cache", "--offline", "torch", *words]
    subprocess.run(plain, env=behind.variables | env, cwd=behind.project, capture_output=True, check=False, timeout=60)
    assert marker.exists()
    marker.unlink()
    (behind.project / "t.in").write_text("torch\n")
    command = ("openvet-uv", "pip", "compile", "t.in") if way == "compile" else INSTALL
    ended = behind.run(*command, *words, env=env)
    assert ended.code == 0, ended.err
    assert not marker.exists()


@pytest.mark.parametrize("way", ["variable", "script", "file"])
def test_a_script(behind, way):
    """Its own key and that of a file count as with plain uv; that the variable does not is told."""
    behind.wheel("torch", "1.5", YES)
    behind.policy()
    backend = '# [tool.uv]\n# torch-backend = "cpu"\n' if way == "script" else ""
    (behind.project / "job.py").write_text(
        f'# /// script\n# dependencies = ["torch"]\n{backend}# ///\n'
        "from importlib.metadata import version\nprint(version('torch'))\n"
    )
    if way == "file":
        (behind.project / "uv.toml").write_text('torch-backend = "cpu"\n')
    env = {"UV_TORCH_BACKEND": "cpu"} if way == "variable" else {}
    ended = behind.run("openvet-uv", "run", "job.py", env=env)
    assert ended.code == 0, ended.err
    told = "UV_TORCH_BACKEND has no effect on a script: torch as the index has it (job.py)"
    assert (ended.out.strip(), told in ended.err) == (("1.5", True) if way == "variable" else ("1.0+cpu", False))
