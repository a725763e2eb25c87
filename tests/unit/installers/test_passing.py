import subprocess
import sys

import pytest

from openvet_install.errors import UsageError
from openvet_install.installers.passing import GATED, PASS, classify

THROUGH = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
from openvet_install.installers import passing
command = passing.classify(sys.argv[1], sys.argv[2:])
passing.run_through(sys.argv[1], command, os.environ, os.getcwd())
"""

PIP_PASSES = [
    *("--version", "-V", "", "help", "help install", "list", "list -e --format=json", "list --exclude x --path p"),
    *("show x -f", "freeze --all", "inspect --local", "check", "uninstall -y x", "hash f", "cache dir", "config list"),
    *("config --user list", "config get global.index-url", "config debug", "debug", "completion --bash"),
    *("--no-color list", "-q --log f freeze", "install --help", "download -h", "--python p list", "list --pre"),
]
UV_PASSES = [
    *("--version", "-V", "", "help", "help pip install", "version", "version --short", "--project p version"),
    *("version --output-format json", "pip list", "pip ls", "--color never pip --quiet list --format json", "pip tree"),
    *("pip show x", "pip freeze", "pip check", "pip uninstall -y x", "cache clean", "cache prune --ci", "cache dir"),
    *("python list", "python find 3.12", "python dir", "python pin 3.12", "tool list", "tool dir", "tool uninstall x"),
    *(
        "workspace dir",
        "workspace list",
        "self version",
        "init x",
        "pip",
        "pip install --help",
        "sync -h",
        "add --help",
    ),
]


@pytest.mark.parametrize("line", PIP_PASSES)
def test_pip_passes(line):
    assert classify("pip", line.split()).kind == PASS


@pytest.mark.parametrize("line", UV_PASSES)
def test_uv_passes(line):
    argv = line.split()
    command = classify("uv", argv)
    assert command.kind == PASS
    if "-h" not in argv and "--help" not in argv and "-V" not in argv:
        assert command.argv == tuple(argv)


@pytest.mark.parametrize(
    ("tool", "line", "words", "rest"),
    [
        ("pip", "install x", ("install",), ("x",)),
        ("pip", "-q --proxy= install -U x", ("install",), ("-U", "x")),
        ("uv", "pip install x", ("pip", "install"), ("x",)),
        ("uv", "--no-cache pip -q install -- x", ("pip", "install"), ("--", "x")),
        ("uv", "run -q x --help", ("run",), ("-q", "x", "--help")),
        ("uv", "run -- --help", ("run",), ("--", "--help")),
        ("uv", "tool run --from a b --help", ("tool", "run"), ("--from", "a", "b", "--help")),
        ("uv", "lock", ("lock",), ()),
        ("uv", "add x", ("add",), ("x",)),
        ("uv", "version 2.0", ("version",), ("2.0",)),
        ("uv", "version --bump minor", ("version",), ("--bump", "minor")),
    ],
)
def test_gated(tool, line, words, rest):
    command = classify(tool, line.split())
    assert (command.kind, command.words, command.argv) == (GATED, words, rest)


@pytest.mark.parametrize(
    ("tool", "line", "words"),
    [
        ("pip", "search x", "`pip search` is refused: it asks an index"),
        ("pip", "instal x", "`instal` is not a command of pip 26.3"),
        ("pip", "list --outdated", "`--outdated` is refused: it asks the index, which is not gated here"),
        ("pip", "list -lo", "`-o` is refused: it asks the index, which is not gated here"),
        ("pip", "list --outd", "`--outd` is not known for pip 26.3"),
        ("pip", "list -u", "`-u` is refused: it asks the index, which is not gated here"),
        ("pip", "config set a b", "`pip config set` is refused: only list, get, debug pass"),
        ("pip", "config", "`pip config` is refused: only list, get, debug pass"),
        ("pip", "-- install x", "`--` in front of pip's command is refused"),
        ("uv", "run --no-such-flag x", "`--no-such-flag` is not known for uv 0.13.9"),
        ("uv", "workspace metadata", "`uv workspace metadata` is not gated yet"),
        ("uv", "publish", "`uv publish` is refused: it uploads, and the gateway takes nothing out"),
        ("uv", "self update", "`uv self update` is refused: it replaces uv without an audit"),
        (
            "uv",
            "python install 3.13",
            "`uv python install` is refused: interpreters are not downloaded through the gate",
        ),
        ("uv", "pip list --outdated", "`--outdated` is refused: it asks the index, which is not gated here"),
        ("uv", "tool list --outdated", "`--outdated` is refused: it asks the index, which is not gated here"),
        ("uv", "python find --allow-python-downloads", None),
        ("uv", "python list --python-downloads-json-url=f", None),
        ("uv", "pip uninstall --python-fetch automatic x", None),
        ("uv", "frobnicate", "`uv frobnicate` is not a command of uv 0.13.9"),
        ("uv", "-- pip list", "`--` in front of uv's command is refused"),
    ],
)
def test_refused(tool, line, words):
    with pytest.raises(UsageError) as caught:
        classify(tool, line.split())
    if words is not None:
        assert caught.value.what == words


def _through(tool, argv, user, cwd, root):
    return subprocess.run(
        [sys.executable, "-I", "-c", THROUGH, str(root), tool, *argv],
        env=user,
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
    )


def test_pip_speaks_of_the_target(user, project, target_prefix, pytestconfig):
    ended = _through("pip", ["--version"], user, project, pytestconfig.rootpath)
    assert ended.returncode == 0
    assert ended.stdout.startswith("pip 26.3 from ")
    ended = _through("pip", ["config", "debug"], user, project, pytestconfig.rootpath)
    assert f"{target_prefix}/pip.conf" in ended.stdout


def test_pip_gets_the_named_python_once(user, project, target_prefix, pytestconfig):
    named = {**user, "VIRTUAL_ENV": "", "PIP_OUTDATED": "1"}
    ended = _through(
        "pip", ["list", "--python", str(target_prefix), "--format=json"], named, project, pytestconfig.rootpath
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "[]", "")


def test_uv_gets_argv_and_exit_code(user, project, pytestconfig):
    ended = _through("uv", ["pip", "list", "--format", "json"], user, project, pytestconfig.rootpath)
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]")
    assert _through("uv", ["pip", "show", "nothing-like-it"], user, project, pytestconfig.rootpath).returncode == 1


def test_the_way_through_imports_little(pytestconfig):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); import openvet_install.cli.options; "
        "from openvet_install.installers import passing; "
        "print(len([n for n in sys.modules if n.split('.')[0] in "
        "('packaging', 'requests', 'tomli', 'dataclasses', 'subprocess', 'pathlib', 'pip', 'json')]))"
    )
    command = [sys.executable, "-I", "-c", script, str(pytestconfig.rootpath)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "0"


@pytest.mark.parametrize(
    "line", ["generate-shell-completion zsh", "python uninstall 3.12", "auth dir", "python update-shell", "cache prune"]
)
def test_commands_of_uv_that_install_nothing_pass(line):
    assert classify("uv", line.split()).kind == PASS


@pytest.mark.parametrize(("line", "hint"), [("format", "openvet-uv tool run ruff format"), ("upgrade", "--upgrade")])
def test_a_refused_command_says_what_to_do_instead(line, hint):
    with pytest.raises(UsageError) as caught:
        classify("uv", line.split())
    assert hint in (caught.value.hint or "")
