import subprocess
from pathlib import Path

import pytest

from openvet_install.errors import ConfigError, FaultsError, UsageError
from openvet_install.installers import uv
from openvet_install.installers.commands import Input, default_index
from openvet_install.installers.target import ToolStops


@pytest.fixture
def plan(user, project):
    def _plan(line: str, **variables: str):
        return uv.plan(line.split(), {**user, **variables}, str(project))

    return _plan


def test_a_plain_install(plan, target_prefix, project):
    found = plan("--no-progress pip install -qU six")
    assert (found.tool, found.words) == ("uv", ("pip", "install"))
    assert found.version.startswith("0.13.")
    python = found.argv[5]
    assert Path(python.removeprefix("--python=")).parent == target_prefix / "bin"
    assert found.argv == ("pip", "install", "--no-progress", "--quiet", "--upgrade", python, "--", "six")
    assert found.target.prefix == target_prefix
    assert found.helper.ours
    assert found.indexes == (default_index("uv"),)
    assert found.cwd == str(project)


def test_the_target_is_what_uv_finds(plan, project, user, tmp_path, target_prefix):
    folder = project / "a" / "b"
    folder.mkdir(parents=True)
    (project / ".venv").symlink_to(target_prefix)
    found = uv.plan(["pip", "install", "six"], {**user, "VIRTUAL_ENV": ""}, str(folder))
    assert found.target.prefix.resolve() == target_prefix.resolve()
    found = uv.plan(["--directory", str(folder), "pip", "install", "six"], {**user, "VIRTUAL_ENV": ""}, str(tmp_path))
    assert found.cwd == str(folder)
    assert plan(f"pip install --python {target_prefix} six", VIRTUAL_ENV="").target.prefix == target_prefix
    assert plan("pip install six", VIRTUAL_ENV="", UV_PYTHON=str(target_prefix)).target.prefix == target_prefix


def test_uv_says_itself_that_there_is_none(user, tmp_path):
    with pytest.raises(ToolStops) as caught:
        uv.plan(["pip", "install", "six"], {**user, "VIRTUAL_ENV": ""}, str(tmp_path))
    assert caught.value.exit_code == 2
    assert caught.value.output.startswith("error: No virtual environment found; run `uv venv`")
    assert "DEBUG" not in caught.value.output


def test_files_become_private_copies(plan, write, tmp_path):
    write("r.txt", "six  # x\n")
    found = plan("pip install -rr.txt")
    assert isinstance(found.argv[-1], Input)
    folder = tmp_path / "run"
    folder.mkdir()
    copy = found.command(folder)[-1].removeprefix("--requirements=")
    assert Path(copy).read_text() == "six\n"


def test_indexes(plan, write):
    write("uv.toml", '[[index]]\nname = "corp"\nurl = "https://c/s"\nexplicit = true\n')
    found = plan(
        "pip install x --index a=http://u:p@a/s --default-index https://d/s",
        UV_EXTRA_INDEX_URL="https://e/s",
        UV_INDEX_URL="file:///d",
        UV_INDEX_CORP_PASSWORD="secret",
    )
    assert [(index.name, index.url, index.default, index.explicit) for index in found.indexes] == [
        ("a", "http://a/s", False, False),
        (None, "https://d/s", True, False),
        (None, "https://e/s", False, False),
        ("corp", "https://c/s", False, True),
    ]
    assert found.indexes[3].origin.endswith("uv.toml:3")
    assert found.dropped == ("UV_INDEX_URL",)
    assert found.environment["UV_INDEX_CORP_PASSWORD"] == "secret"
    assert found.trusted == ()
    assert "u:p" not in repr(found)
    assert plan("pip install x --no-index").indexes == ()


@pytest.mark.parametrize("flag", ["--allow-insecure-host", "--trusted-host"])
def test_hosts_that_the_user_trusts_are_for_the_way_out_alone(plan, flag):
    found = plan(f"pip install x {flag} a {flag}=b:1", UV_INSECURE_HOST="c d")
    assert found.upstream.insecure_hosts == ("a", "b:1", "c", "d")
    assert flag not in " ".join(map(str, found.argv))
    assert not [name for name in found.environment if "INSECURE" in name]


@pytest.mark.parametrize("name", ["UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"])
def test_the_public_index_never_stands_in_for_what_people_meant(plan, name):
    with pytest.raises(ConfigError) as caught:
        plan("pip install x", **{name: "https://n/s ./w"})
    assert caught.value.what == f"`{name}`: `./w` is not an http or https URL"
    assert plan("pip install x --no-index", **{name: "./w"}).dropped == (name,)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pip install x --no-verify-hashes", "`--no-verify-hashes` is refused: hashes in requirement files are always"),
        ("pip install x --cache-dir d", "`--cache-dir` is refused"),
        ("pip install x --allow-python-downloads", "`--allow-python-downloads` is refused"),
        ("pip install -e none", "`none` is no folder: only folders can be installed as editable"),
        ("pip install x --find-links d", "`--find-links`: `d` is neither a folder nor an http or https page"),
        ("pip install x --index ./w", "`--index`: `./w` is not an http or https URL"),
        ("pip install x --index-url file:///d", "`--index-url`: `file:///d` is not an http or https URL"),
        ("pip install x --default-index=", "`--default-index`: `` is not an http or https URL"),
        ("pip install x --report r", "`--report` is not known for uv 0.13.9"),
        ("pip install x -qZ", "`-Z"),
        ("pip install x -P x@file:///d", "`x@file:///d`: a direct reference has no place here"),
        ("pip install --directory none x", "`--directory`: no folder"),
    ],
)
def test_what_stops(plan, line, words):
    with pytest.raises(UsageError) as caught:
        plan(line)
    assert caught.value.what.startswith(words)


def test_a_uv_that_we_do_not_know(plan, tmp_path):
    folder = tmp_path / "tools"
    folder.mkdir(mode=0o755)
    fake = folder / "uv"
    fake.write_text("#!/bin/sh\necho 'uv 0.9.1 (x)'\n")
    fake.chmod(0o755)
    with pytest.raises(ConfigError, match=r"`.*tools/uv` is uv 0\.9\.1; openvet-uv knows"):
        plan("pip install x", PATH=str(folder))


def test_configuration_that_is_fine(plan, write):
    write(
        "pyproject.toml",
        '[project]\nname = "p"\nversion = "1"\n[tool.uv]\nexclude-newer = "2030-01-01T00:00:00Z"\n'
        'constraint-dependencies = ["six<2"]\npreview-features = ["pylock", "index-by-name"]\nlink-mode = "copy"\n'
        '[tool.uv.sources]\np = { workspace = true }\n[tool.uv.pip]\nresolution = "lowest"\n',
    )
    assert plan("pip install six").indexes == (default_index("uv"),)


def test_all_faults_of_all_files(plan, write, tmp_path):
    write("uv.toml", 'http-proxy = "http://p"\nfrob = 1\nresolutoin = "x"\n')
    user = tmp_path / "home/.config/uv/uv.toml"
    user.parent.mkdir(parents=True)
    user.write_text("\n[pip]\nverify-hashes = false\n")
    with pytest.raises(FaultsError) as caught:
        plan("pip install x")
    said = [(fault.what, fault.where, fault.hint) for fault in caught.value.faults]
    path = tmp_path / "project/uv.toml"
    proxy = "a proxy of yours belongs in HTTPS_PROXY: the gateway uses it"
    assert said == [
        ("`http-proxy` is refused: it would lead uv around the gateway", f"{path}:1, key `http-proxy`", proxy),
        ("unknown key `frob`", f"{path}:2, key `frob`", None),
        ("unknown key `resolutoin`", f"{path}:3, key `resolutoin`", "did you mean `resolution`?"),
        ("`verify-hashes` is refused: hashes are always compared", f"{user}:3, key `pip.verify-hashes`", None),
    ]
    assert caught.value.exit_code == 78


def test_no_config_reads_none(plan, write):
    write("uv.toml", 'http-proxy = "http://p"\n')
    assert "--no-config" in plan("--no-config pip install x").argv
    assert "--no-config" in plan("pip install x", UV_NO_CONFIG="1").argv


def test_uv_itself_runs_so(plan, tmp_path):
    found = plan("pip install --no-index no-such-thing-anywhere")
    ended = subprocess.run(
        found.command(tmp_path), env=dict(found.environment), cwd=found.cwd, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "No solution found" in ended.stderr


@pytest.mark.parametrize("how", ["--index side", "--default-index side", "UV_INDEX"])
def test_an_index_by_the_name_that_it_is_configured_by(plan, project, how):
    (project / "uv.toml").write_text('[[index]]\nname = "side"\nurl = "https://i/s"\nexplicit = true\n')
    line, variables = ("pip install six", {how: "side"}) if how == "UV_INDEX" else (f"pip install {how} six", {})
    first = plan(line, **variables).indexes[0]
    assert (first.url, first.explicit, first.default) == ("https://i/s", False, how.startswith("--default"))
    (project / "side").mkdir()  # uv takes what is in it
    with pytest.raises((UsageError, ConfigError), match="`side` is not an http or https URL"):
        plan(line, **variables)
