"""Our tables say what the tools themselves say: a new flag, variable or key cannot slip in."""

import re
import subprocess

import pytest
from pip import __version__ as pip_version
from pip._internal.cli.main_parser import create_main_parser
from pip._internal.commands import commands_dict, create_command
from pip._internal.req.req_file import build_parser

from openvet_install.installers import pip_flags, uv_commands, uv_flags, uv_keys
from openvet_install.installers.tokens import COLUMNS, index
from tests.support import uvs

UV_ALIASES = {
    *("--trusted-host", "--preview-feature", "--requirement", "--constraint", "--override", "--exclude"),
    *("--build-constraint", "--force-reinstall", "--config-settings", "--compile", "--no-compile", "--no-exact"),
}


def _pip_options(parser):
    groups = [parser, *parser.option_groups]
    return {
        name: option.takes_value()
        for group in groups
        for option in group.option_list
        for name in (*option._short_opts, *option._long_opts)
    }


def _ours(table):
    return {name: flag.value for name, flag in index(table).items()}


def test_this_is_the_pip_of_the_table():
    assert pip_version == pip_flags.VERSION


@pytest.mark.parametrize("command", [*pip_flags.GATED, *pip_flags.PASSING])
def test_pip_options_of_a_command(command):
    table = pip_flags.GATED.get(command) or (*pip_flags.GENERAL, *pip_flags.PASSING[command])
    assert _ours(table) == _pip_options(create_command(command).parser)


def test_pip_options_before_the_command():
    assert _ours(pip_flags.MAIN) == _pip_options(create_main_parser())


def test_pip_options_of_a_line_in_a_file():
    ours = _ours(pip_flags.FILE)
    assert ours == _pip_options(build_parser())


def test_every_pip_command_has_its_place():
    assert {*pip_flags.GATED, *pip_flags.PASSING, *pip_flags.REFUSED} == set(commands_dict)


@pytest.fixture(scope="module", params=uvs.VERSIONS)
def program(request):
    """The uv that comes with us, and the oldest that the table is for: what lies between is not tried."""
    return uvs.program(request.param)


@pytest.fixture(scope="module")
def completion(program):
    """uv's own list of options per command, hidden ones included, and which take a value."""
    bash, zsh = (
        subprocess.run([program, "generate-shell-completion", shell], check=True, capture_output=True, text=True).stdout
        for shell in ("bash", "zsh")
    )
    return bash, zsh


def _uv_options(completion, words):
    bash, zsh = completion
    listed = re.search(rf'\n +uv__{"__".join(words)}\)\n +opts="([^"]*)"', bash)[1].split()
    part = zsh
    for word in words:
        part = part[re.search(rf"\n *\({word}\)\n", part).start() :]
    part = part[: part.index("&& ret=0")]
    valued = {
        match[1]: bool(match[2])
        for line in part.splitlines()
        if (match := re.match(r"^'(?:\([^)]*\))?\*?(--?[A-Za-z][A-Za-z0-9-]*)([=+])?(?:\[|')", line))
    }
    names = {name for name in listed if name.startswith("-")}
    assert names == set(valued)
    return valued


@pytest.mark.parametrize("words", [words for words in uv_commands.GATED if words != ("tool", "update")], ids=" ".join)
def test_uv_options_of_a_command(completion, words):
    ours = _ours(uv_commands.options_of(words))
    assert {name: ours[name] for name in ours if name not in UV_ALIASES} == _uv_options(completion, words)


@pytest.mark.parametrize("alias", sorted(UV_ALIASES))
def test_uv_hidden_aliases_mean_what_we_think(program, alias):
    ended = subprocess.run([program, "pip", "install", alias], check=False, capture_output=True, text=True)
    flag = index(uv_flags.PIP_INSTALL)[alias]
    said = f"'{flag.name} <" if flag.value else "required arguments were not provided"
    assert said in ended.stderr


_ALIASES = ("ls", "clear", "ensurepath")


@pytest.mark.parametrize("words", sorted(words for words in uv_commands.PASSING if words[-1] not in _ALIASES))
def test_passing_uv_commands_only_have_downloads_that_we_refuse(completion, words):
    name = "__".join(words).replace("-", "__")
    listed = re.search(rf'\n +uv__{name}\)\n +opts="([^"]*)"', completion[0])[1].split()
    suspect = {name for name in listed if name.startswith("-") and re.search("download|fetch|url$|outdated", name)}
    kept = {
        "--no-python-downloads",
        "--index-url",
        "--extra-index-url",
        "--no-outdated",
        "--only-downloads",
        "--show-urls",
    }
    assert suspect - kept <= set(uv_commands.PASSING_REFUSED)


def test_every_uv_command_has_its_place(completion):
    pairs = re.findall(r"^ +uv(?:__([a-z]+))?,([a-z-]+)\)", completion[0], re.MULTILINE)
    found = {(above, word) if above else (word,) for above, word in pairs if above != "help"}
    known = {*uv_commands.PASSING, *uv_commands.NOT_YET, *uv_commands.REFUSED, *uv_commands.GATED}
    known |= {(word,) for word in uv_commands.SPACES}
    assert found - known == set()


def test_columns_are_the_known_ones():
    for table in (pip_flags.INSTALL, *map(uv_commands.options_of, uv_commands.GATED)):
        assert {flag.column for flag in table} <= set(COLUMNS)


@pytest.mark.parametrize(("head", "ours"), [("", uv_keys.TOP), ("[pip]\n", uv_keys.PIP)])
def test_keys_are_the_ones_that_uv_names(program, tmp_path, head, ours):
    (tmp_path / "uv.toml").write_text(f"{head}xyz = 1\n")
    ended = subprocess.run([program, "pip", "list"], cwd=tmp_path, check=False, capture_output=True, text=True)
    named = set(re.findall(r"`([a-z-]+)`", ended.stderr.partition("expected one of")[2]))
    assert named
    # uv takes `index` below [pip] in no version so far; that it is judged costs nothing
    assert set(ours) - {"index"} == named - {"index"}
