"""T09, T10, T12, T16: nothing of the user's environment leads the child anywhere else."""

import re
import subprocess
from pathlib import Path

import pytest
import uv as uv_package
from hypothesis import given
from hypothesis import strategies as st
from pip._internal.cli.main_parser import create_main_parser
from pip._internal.commands import commands_dict, create_command

from openvet_install.installers import environment, pip, uv
from openvet_install.installers.environment import column, gateway_variables, sort_environment
from openvet_install.installers.tokens import CARRY, COLUMNS

HOSTILE = {
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "*"),
    **dict.fromkeys(("ALL_PROXY", "all_proxy", "HTTP_PROXY", "https_proxy", "PIP_PROXY"), "http://evil"),
    **dict.fromkeys(("PIP_NO_PROXY_ENV", "PIP_ISOLATED", "UV_NO_VERIFY_HASHES", "UV_INSECURE_NO_ZIP_VALIDATION"), "1"),
    **dict.fromkeys(("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"), "evil"),
    **dict.fromkeys(("PIP_CONFIG_FILE",), "/nowhere"),
    **dict.fromkeys(("PIP_REQUIREMENT", "UV_OVERRIDE"), "/dev/null"),
    **dict.fromkeys(("PIP_FIND_LINKS", "UV_FIND_LINKS"), "/usr"),
    **dict.fromkeys(("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME"), "/nowhere"),
    **dict.fromkeys(("OPENSSL_CONF", "GCONV_PATH", "GIT_SSH_COMMAND", "BASH_ENV", "SSLKEYLOGFILE"), "/nowhere"),
    **dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "SSL_CLIENT_CERT", "PIP_CERT"), "/nowhere"),
    **dict.fromkeys(("UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL", "UV_S3_ENDPOINT_URL"), "file:///d"),
    **dict.fromkeys(("UV_PYTHON_DOWNLOADS",), "automatic"),
}


def _uv_names():
    """Every `UV_…` in the binary; strings lie side by side there, so the ends are guesses."""
    raw = Path(uv_package.find_uv_bin()).read_bytes()
    return sorted({name.decode() for name in re.findall(rb"UV_[A-Z][A-Z0-9_]+", raw)})


def _pip_names():
    parsers = [create_main_parser(), *(create_command(name).parser for name in commands_dict)]
    options = [
        option for parser in parsers for group in (parser, *parser.option_groups) for option in group.option_list
    ]
    return sorted({"PIP_" + name[2:].replace("-", "_").upper() for option in options for name in option._long_opts})


UV_NAMES, PIP_NAMES = _uv_names(), _pip_names()


def test_there_is_something_to_look_at():
    assert len(UV_NAMES) > 100
    assert len(PIP_NAMES) > 80


@pytest.mark.parametrize(("prefix", "table"), [("PIP_", environment.PIP), ("UV_", environment.UV)])
def test_each_name_is_in_one_column_or_dropped(prefix, table):
    names = PIP_NAMES if prefix == "PIP_" else UV_NAMES
    for name in names:
        rest = name.removeprefix(prefix)
        columns = {found for key, found in table.items() if key == rest}
        columns |= {found for key, found in table.items() if key[-1] == "*" and rest.startswith(key[:-1])}
        assert len(columns) <= 1, name
        assert column(name) in (None, *COLUMNS)


def test_what_is_carried_is_what_the_table_says_and_no_more():
    carried = {name for name in (*PIP_NAMES, *UV_NAMES) if column(name) == CARRY}
    assert not {
        name for name in carried if re.search("PROXY|TRUSTED|INSECURE|LINKS|REQUIREMENT|MIRROR|ENDPOINT|ISOLAT", name)
    }
    assert {f"PIP_{name}" for name in environment.PIP} - set(PIP_NAMES) == {"PIP_CONFIG_FILE"}


@given(st.dictionaries(st.sampled_from([*UV_NAMES, *PIP_NAMES, *HOSTILE, "HOME", "PATH"]), st.text("ab", min_size=1)))
def test_sorting_loses_and_invents_nothing(environ):
    for tool, own in (("pip", "PIP_"), ("uv", "UV_")):
        found = sort_environment(tool, environ)
        parts = [set(found.child), set(found.judged), set(found.upstream), set(found.dropped)]
        assert sum(map(len, parts)) == len(set().union(*parts))
        assert set().union(*parts) <= set(environ)
        assert all(name.startswith(own) for name in found.dropped)
        assert {name for name in environ if name.startswith(own) and column(name) is None} <= set(found.dropped)
        assert not {name for name in found.child if name.startswith(("PIP_", "UV_")) and column(name) != CARRY}


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_people_say_to_their_builds_goes_over(tool):
    said = dict.fromkeys(("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MINE", "UV_DYNAMIC_VERSIONING_BYPASS", "CMAKE_ARGS"), "1")
    found = sort_environment(tool, {**said, "SETUPTOOLS_SCM_OVERRIDES_FOR_MINE": "1", "UV_DYNAMIC": "1", "LD_X": "1"})
    assert dict(found.child).items() >= said.items()
    assert not found.child.keys() & {"SETUPTOOLS_SCM_OVERRIDES_FOR_MINE", "UV_DYNAMIC", "LD_X"}


@pytest.fixture(params=["pip", "uv"])
def child(request, user, project, tmp_path):
    tool = request.param
    plan = pip.plan if tool == "pip" else uv.plan
    argv = ["install", "six"] if tool == "pip" else ["pip", "install", "six"]
    found = plan(argv, {**user, **HOSTILE}, str(project))
    ours = gateway_variables(
        tool,
        url="http://openvet:t@127.0.0.1:1",
        bundle=tmp_path / "b",
        empty_dir=tmp_path,
        cache_dir=tmp_path,
        trusted=found.trusted,
    )
    return found, {**found.environment, **ours}


def test_the_child_has_our_values_or_none(child):
    _plan, variables = child
    ours = {name for name, value in variables.items() if value == HOSTILE.get(name)}
    assert ours == set()
    assert variables["http_proxy"] == variables["HTTPS_PROXY"] == "http://openvet:t@127.0.0.1:1"
    assert not set(variables) & {
        "NO_PROXY",
        "no_proxy",
        "ALL_PROXY",
        "all_proxy",
        "LD_PRELOAD",
        "PYTHONPATH",
        "SSLKEYLOGFILE",
    }


def test_the_process_has_exactly_that(child, tmp_path):
    _plan, variables = child
    ended = subprocess.run(["/usr/bin/env", "-0"], env=variables, capture_output=True, check=True)
    assert dict(item.split("=", 1) for item in ended.stdout.decode().split("\0") if item) == variables


def test_what_was_dropped_is_named_and_the_way_out_kept(child):
    plan, _variables = child
    if plan.tool == "pip":
        assert plan.dropped == ("PIP_ISOLATED", "PIP_NO_PROXY_ENV")
        assert plan.upstream.ca_file == "/nowhere"
        assert plan.upstream.proxies == {"http": "http://evil", "https": "http://evil"}
        assert plan.trusted == ()
    else:
        assert "UV_PYTHON_INSTALL_MIRROR" in plan.dropped
        assert plan.upstream.insecure_hosts == ("evil",)
