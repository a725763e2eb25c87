"""T07, T09-T13, T16: no file and no variable leads a tool around the gateway."""

import json
import os
import shutil
from pathlib import Path

import pip
import pytest

from tests.support.attacks import AGENT, BOTH, PIP, UV, backend, everything, evil_sdist, plain, site, stopped
from tests.support.indexsim import IndexSimulator
from tests.support.stage import BENIGN, WARN, YES
from tests.support.wheels import make_sdist, make_wheel, wheel_name

KEYS = {
    "http-proxy": '"{evil}"', "https-proxy": '"{evil}"', "no-proxy": '["*"]', "allow-insecure-host": '["127.0.0.1"]',
    "cache-control": None,
}  # fmt: skip
PLACES = ["project", "pyproject", "parent", "user", "variable", "flag"]
# Every key in every place is held by tests of the plan; here whole commands, each key and each place once or more.
PAIRS = {
    "http-proxy": PLACES[:2], "https-proxy": PLACES[2:4], "no-proxy": PLACES[4:], "allow-insecure-host": PLACES[1:3],
    "cache-control": ["project", "user"],
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_uvs_network_keys_stop_in_every_place(stage, key):
    stage.wheel("evil", "1.0")
    stage.policy(WARN)
    before = everything(stage)
    config = stage.folder / "config" / "uv"
    config.mkdir(parents=True)
    value = (KEYS[key] or "").format(evil=stage.index.origin)
    text = f"{key} = {value}\n"
    if key == "cache-control":
        text = f'[[index]]\nurl = "{stage.index.simple_url}"\ncache-control = {{ api = "max-age=99999" }}\n'
    for where in PAIRS[key]:
        path = {
            "project": stage.project / "uv.toml", "pyproject": stage.project / "pyproject.toml",
            "parent": stage.folder / "uv.toml", "user": config / "uv.toml", "variable": stage.folder / "v.toml",
            "flag": stage.folder / "f.toml",
        }[where]  # fmt: skip
        inside = text.replace("[[index]]", "[[tool.uv.index]]") if "[[" in text else f"[tool.uv]\n{text}"
        path.write_text(inside if where == "pyproject" else text)
        env = {"UV_CONFIG_FILE": str(path)} if where == "variable" else {}
        more = ["--config-file", str(path)] if where == "flag" else []
        ended = stage.run(*UV, *more, "evil", env=env)
        stopped(stage, ended, 78, before=before)
        assert f"{path.name}:" in ended.err
        path.unlink()
    assert stage.index.requests == []


@pytest.mark.parametrize("table", ["", "pip"])
@pytest.mark.parametrize("words", [["pip", "install", "evil"], ["lock"], ["run", "job.py"]], ids=" ".join)
def test_what_is_to_be_upgraded_is_a_limit_and_comes_from_an_index(stage, words, table):
    path = evil_sdist(stage)
    stage.wheel("evil", "1.0", YES)
    stage.policy(WARN)
    said = f"upgrade-package = ['evil @ {path.as_uri()}']\n"
    said = f"[pip]\n{said}" if table else said
    inside = f"# {said.replace('[pip]', '[tool.uv.pip]')}".strip().replace("\n", "\n# ")
    head = "" if table else "# [tool.uv]\n"
    script = f"# /// script\n# dependencies = ['evil']\n{head}{inside}\n# ///\n"
    (stage.project / "job.py").write_text(script if "run" in words else "")
    (stage.project / "uv.toml").write_text("" if "run" in words else said)
    (stage.project / "pyproject.toml").write_text("[project]\nname = 'm'\nversion = '1'\ndependencies = ['evil']\n")
    before = everything(stage)
    stopped(stage, stage.run("openvet-uv", *words), 77, before=before)
    (stage.project / "job.py").write_text("")
    (stage.project / "uv.toml").unlink()
    for command in (["build"], ["sync"], ["run", "job.py"]) if words == ["lock"] else ():
        typed = f"--upgrade-package=evil @ {path.as_uri()}"
        stopped(stage, stage.run("openvet-uv", command[0], typed, *command[1:]), 64, before=before)


BUILDS = """import os, subprocess
subprocess.run([os.environ.get("CC", "true")], check=False)
def get_requires_for_build_wheel(config_settings=None):
    subprocess.run([(config_settings or {}).get("compiler", "true")], check=False)
    return []
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    raise SystemExit(1)
build_wheel = prepare_metadata_for_build_wheel
"""


@pytest.mark.parametrize(
    "key", ["extra-build-variables = { source = { CC = 'PROGRAM' } }", "config-settings = { compiler = 'PROGRAM' }"]
)
def test_the_build_of_an_approved_sdist_starts_nothing_of_the_project(stage, key):
    program = stage.project / "evil"
    program.write_text(f"#!/bin/sh\ntouch {stage.marker}\n")
    program.chmod(0o755)
    stage.sdist("source", "1.0", YES, backend=BUILDS)
    stage.policy()
    (stage.project / "uv.toml").write_text(key.replace("PROGRAM", str(program)) + "\n")
    before = everything(stage)
    stopped(stage, stage.run(*UV, "source"), 78, before=before)


COMPILES = """import os, subprocess
def get_requires_for_build_wheel(config_settings=None):
    open("x.c", "w").close()
    subprocess.run(["gcc", *os.environ.get("CFLAGS", "").split(), "-c", "x.c"], check=True)
    return []
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    raise SystemExit(1)
build_wheel = prepare_metadata_for_build_wheel
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler here")
@pytest.mark.parametrize(
    "flags", ["-wrapper sh,-c,>$MARKER", "-wrapper sh,-c,touch${IFS}marker;mv${IFS}marker${IFS}$HOME"]
)
def test_nor_runs_what_the_project_says_to_compilers(stage, flags):
    stage.variables |= {"HOME": str(stage.folder), "MAX_JOBS": "1"}
    stage.sdist("source", "1.0", YES, backend=COMPILES)
    stage.policy()
    said = flags.replace("$MARKER", "$HOME${PWD%${PWD#?}}marker")
    (stage.project / "uv.toml").write_text(f"extra-build-variables = {{ source = {{ CFLAGS = '{said}' }} }}\n")
    before = everything(stage)
    stopped(stage, stage.run(*UV, "source"), 78, before=before)


AROUND = {
    PIP: [
        {"NO_PROXY": "*"}, {"no_proxy": "127.0.0.1"}, {"PIP_NO_PROXY_ENV": "1"}, {"PIP_PROXY": "http://127.0.0.1:1"},
        {"ALL_PROXY": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}, {"HTTP_PROXY": "", "http_proxy": ""},
        {"PIP_TRUSTED_HOST": "127.0.0.1"}, {"PIP_ISOLATED": "1"}, {"PIP_CERT": "/dev/null"},
    ],
    UV: [
        {"NO_PROXY": "*"}, {"no_proxy": "127.0.0.1"}, {"UV_INSECURE_HOST": "127.0.0.1"},
        {"UV_NO_VERIFY_HASHES": "1"}, {"UV_OFFLINE": "1"}, {"SSL_CERT_FILE": "/dev/null"}, {"UV_SYSTEM_CERTS": "1"},
    ],
}  # fmt: skip


@BOTH
def test_every_request_comes_through_the_gateway(stage, tool):
    # With a plain-http index, NO_PROXY=* makes both tools ask it directly and install evil.
    stage.wheel("evil", "1.0")
    stage.policy(BENIGN)
    before = everything(stage)
    proxy_free = [one for one in AROUND[tool] if not {"ALL_PROXY", "PIP_PROXY", "PIP_CERT", "SSL_CERT_FILE"} & set(one)]
    together = {name: value for one in proxy_free for name, value in one.items()}
    for env in (together, *(one for one in AROUND[tool] if one not in proxy_free)):
        ended = stage.run(*tool, "evil", env=env)
        stopped(stage, ended, 69, 77, 78, before=before)
    agents = {one.headers.get("user-agent", "").partition("/")[0] for one in stage.index.requests}
    assert agents == {AGENT}


def test_plain_tools_go_around_a_proxy(stage):
    stage.wheel("evil", "1.0")
    env = {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "NO_PROXY": "*", "no_proxy": "*"}
    assert plain(stage, PIP, "evil", env=env) == 0
    assert stage.installed == {"evil": "1.0"}


def test_an_https_index_cannot_be_asked_directly(tmp_path):
    # A child that trusts the index's own CA and was told to bypass the proxy: still every byte is judged.
    from tests.support.logsim import LogSimulator
    from tests.support.stage import Stage

    with IndexSimulator(tls=True, host="localhost") as index, LogSimulator() as logs:
        found = Stage(tmp_path, index, logs)
        (tmp_path / "tmp").mkdir()
        found.variables["TMPDIR"] = str(tmp_path / "tmp")
        index.add(make_wheel("evil", "1.0"), filename=wheel_name("evil", "1.0"))
        found.wheel("good", "1.0", YES)
        found.policy(BENIGN)
        before = everything(found)
        for tool in (PIP, UV):
            env = {
                "SSL_CERT_FILE": str(index.ca), "PIP_CERT": str(index.ca), "NO_PROXY": "*", "no_proxy": "*",
                "UV_INSECURE_HOST": "localhost", "PIP_TRUSTED_HOST": "localhost",
            }  # fmt: skip
            stopped(found, found.run(*tool, "evil", env=env), 77, before=before)
            ended = found.run(*tool, "good", "--dry-run", env=env)
            assert ended.code == 0, ended.err
        agents = {one.headers.get("user-agent", "").partition("/")[0] for one in index.requests}
        assert agents == {AGENT}


@BOTH
def test_what_the_build_of_an_approved_sdist_sees(stage, tool):
    code = "import json, os\njson.dump(dict(os.environ), open(FOLDER + '/seen', 'w'))"
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code))
    stage.policy()
    folder, file = str(stage.folder / "evil"), str(stage.folder / "evil/r.txt")
    Path(folder).mkdir()
    Path(file).touch()
    hostile = {
        "LD_PRELOAD": "", "LD_LIBRARY_PATH": "/evil", "PYTHONPATH": "/evil", "PYTHONHOME": "", "PYTHONSTARTUP": "/evil",
        "OPENSSL_CONF": "/evil", "GCONV_PATH": "/evil", "GIT_CONFIG_GLOBAL": "/evil", "BASH_ENV": "/evil",
        "SSLKEYLOGFILE": str(stage.folder / "keys"), "PIP_REQUIREMENT": file, "PIP_CONSTRAINT": file,
        "PIP_FIND_LINKS": folder, "UV_FIND_LINKS": folder, "UV_OVERRIDE": file, "UV_CONSTRAINT": file,
        "UV_PYTHON_INSTALL_MIRROR": "file:///evil", "UV_INTERNAL__SHOW_DERIVATION_TREE": "1", "SECRET_TOKEN": "hush",
        "AWS_SECRET_ACCESS_KEY": "hush", "NO_PROXY": "*", "ALL_PROXY": "", "PIP_CONFIG_FILE": "/evil",
        "SSH_AUTH_SOCK": "/evil", "OPENVET_BYPASS": "1", "UV_CACHE_DIR": "/evil", "XDG_EVIL": "1",
    }  # fmt: skip
    ended = stage.run(*tool, "source", env=hostile)
    assert ended.code == 0, ended.err
    seen = json.loads((stage.folder / "seen").read_text())
    assert not [name for name, value in seen.items() if "evil" in value or value == "hush"]
    forbidden = {
        "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "OPENSSL_CONF", "GCONV_PATH", "BASH_ENV",
        "SSLKEYLOGFILE", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "OPENVET_BYPASS", "SSH_AUTH_SOCK",
    }  # fmt: skip
    if tool is PIP:  # its own builds set where the isolated requirements lie
        seen.pop("PYTHONPATH", None)
    assert forbidden & set(seen) == set()
    assert {seen["HTTP_PROXY"], seen["https_proxy"], seen["http_proxy"]} == {seen["HTTPS_PROXY"]}
    keys = stage.folder / "keys"
    assert not keys.exists() or "CLIENT" not in keys.read_text()
    assert seen["PIP_CONFIG_FILE"] == os.devnull
    assert seen["UV_PYTHON_DOWNLOADS"] == "never"


@pytest.mark.parametrize("where", ["target", "user", "variable"])
@pytest.mark.parametrize(
    "line", ["find-links = ../d", "proxy = http://127.0.0.1:1", "trusted-host = *", "isolated = 1"]
)
def test_pips_files_in_each_place(stage, where, line):
    # Plain pip reads `find-links` of a pip.conf in the target's prefix and builds evil.
    evil_sdist(stage)
    stage.policy()
    path = {
        "target": stage.environment / "pip.conf", "user": stage.folder / "config/pip/pip.conf",
        "variable": stage.folder / "p.conf",
    }[where]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[global]\n{line}\n")
    before = everything(stage)
    env = {"PIP_CONFIG_FILE": str(path)} if where == "variable" else {}
    stopped(stage, stage.run(*PIP, "evil", env=env), 1, 69, 77, 78, before=before)
    agents = {one.headers.get("user-agent", "").partition("/")[0] for one in stage.index.requests}
    assert agents <= {AGENT}


def test_code_of_the_target_inside_pip_changes_no_verdict(stage):
    # sitecustomize and a .pth run inside pip: what counts is decided elsewhere. Plain pip installs evil here.
    patch = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pip._internal.operations.prepare':\n"
        "            import pip._internal.utils.hashes as h\n"
        "            h.Hashes.check_against_chunks = lambda self, chunks: None\n"
        "            h.Hashes.check_against_path = lambda self, path: None\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    (site(stage) / "patch.py").write_text(patch)
    (site(stage) / "patch.pth").write_text("import patch\n")
    (site(stage) / "sitecustomize.py").write_text("import patch\n")
    stage.wheel("good", "1.0", YES)
    stage.index.entries[wheel_name("good", "1.0")].served = make_wheel("good", "1.0", files={"good.py": "EVIL = 1\n"})
    stage.policy(WARN)
    import shutil

    ended = stage.run(*PIP, "good")
    shutil.rmtree(site(stage) / "__pycache__", ignore_errors=True)
    assert ended.code == 65, ended.err
    assert stage.installed == {}


def test_code_of_the_target_that_installs_other_bytes_is_told(stage):
    # The same place, but it writes the module itself after pip has: seen on disk.
    patch = (
        "import atexit, pathlib\n"
        f"atexit.register(lambda: [p.write_text('EVIL = 1') for p in [pathlib.Path({str(site(stage))!r}, 'good.py')]"
        " if p.exists()])\n"
    )
    (site(stage) / "sitecustomize.py").write_text(patch)
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    ended = stage.run(*PIP, "good")
    assert ended.code == 65, ended.err
    assert "good.py" in ended.err


def test_sdists_of_the_index_build_with_our_settings_only(stage):
    # The build asks pip for a package by itself: it meets the same gate.
    code = (
        "import subprocess, sys, os\n"
        f"pip = {str(Path(pip.__file__).parents[1])!r}\n"
        "env = dict(os.environ, PYTHONPATH=pip)\n"
        "done = subprocess.run([sys.executable, '-m', 'pip', 'install', '--target', FOLDER + '/stolen', 'evil',"
        f" '-i', {stage.index.simple_url!r}], env=env, capture_output=True, text=True)\n"
        "open(FOLDER + '/told', 'w').write(str(done.returncode) + done.stdout + done.stderr)"
    )
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code))
    stage.index.add(make_sdist("evil", "1.0", marker=stage.marker), filename="evil-1.0.tar.gz")
    stage.policy()
    ended = stage.run(*PIP, "source")
    assert ended.code == 0, ended.err
    assert (stage.folder / "told").read_text().startswith("1"), (stage.folder / "told").read_text()
    assert not stage.marker.exists()
    assert not (stage.folder / "stolen/evil.py").exists()
