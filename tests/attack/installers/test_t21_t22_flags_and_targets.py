"""T21: flags in disguise. T22: another target, another uv."""

import os
import sys
from pathlib import Path

import pytest

from openvet_install.errors import UsageError
from openvet_install.installers import choice, passing, pip, uv
from openvet_install.installers.target import inspect


@pytest.mark.parametrize(
    "line",
    [
        *(
            "--prox=",
            "--proxy=",
            "--trusted=h",
            "--find-l=d",
            "-fDIR",
            "-qfd",
            "--isolate",
            "--extra-i=x",
            "--pypi=x",
            "--no-proxy",
        ),
        *(
            "--use-dep=x",
            "--tar=d",
            "-ed",
            "-cf",
            "-qcf",
            "--roo=d",
            "--sr=d",
            "--pref=d",
            "--use",
            "--inde=x",
        ),
        *("--indexurl=x", "--Index-Url=x", "--trusted_host=h", "\u2014\u2014proxy=x", "-\u2011proxy"),
    ],
)
def test_disguises_for_pip(user, project, line):
    for name in ("DIR", "d"):
        (project / name).touch()
    with pytest.raises(UsageError):
        pip.plan(["install", "six", line], user, str(project))
    if line.startswith("-"):
        with pytest.raises(UsageError):
            pip.plan([line, "install", "six"], user, str(project))


@pytest.mark.parametrize(
    "line",
    [
        *(
            "--allow-insecure=h",
            "-fd",
            "-qfd",
            "-f=d",
            "-ed",
            "-cf",
            "-bf",
            "--override=o",
            "--exclude=o",
        ),
        *("--constraint=c", "--preview-feature=x", "--native", "--isolated", "--cache-dir=d", "--no-verify-hashes"),
    ],
)
def test_disguises_for_uv(user, project, line):
    with pytest.raises(UsageError):
        uv.plan(["pip", "install", "six", line], user, str(project))
    with pytest.raises(UsageError):
        uv.plan([line, "pip", "install", "six"], user, str(project))


def test_spellings_that_are_fine_mean_one_thing(user, project):
    found = pip.plan(["install", "six", "-qqihttp://i/s", "--pypi-url", "https://j/s"], user, str(project))
    assert [index.url for index in found.indexes] == ["https://j/s"]
    assert found.argv == (
        "install",
        "--quiet",
        "--quiet",
        "--index-url=http://i/s",
        "--index-url=https://j/s",
        "--",
        "six",
    )


def test_a_value_cannot_become_a_flag(user, project):
    found = pip.plan(["install", "six", "--report", "--proxy=x", "--log", "-r"], user, str(project))
    assert found.argv == ("install", "--report=--proxy=x", "--log=-r", "--", "six")


@pytest.mark.parametrize("flag", ["--target=d", "-qtd", "--prefix=d", "--root=d"])
def test_other_targets_of_pip(user, project, target_prefix, flag):
    found = pip.plan(["install", "six", flag], user, str(project))
    folders = (found.target.purelib, found.target.platlib, found.target.scripts, found.target.data)
    assert all(folder.is_relative_to(project / "d") for folder in folders)
    assert found.target.python == target_prefix / "bin/python"
    (word,) = (word for word in found.argv if word.endswith(f"={project}/d"))
    assert word[:6] in ("--targ", "--pref", "--root")


def test_the_users_own_folder_is_not_for_environments(user, project, target_prefix):
    # pip itself says so, so nothing may look elsewhere meanwhile
    found = pip.plan(["install", "six", "--user"], user, str(project))
    assert "--user" in found.argv
    assert found.target.prefix == target_prefix


@pytest.mark.parametrize("flag", ["--target=d", "-td", "--prefix=d"])
def test_other_targets_of_uv(user, project, target_prefix, flag):
    found = uv.plan(["pip", "install", "six", flag], user, str(project))
    folders = (found.target.purelib, found.target.platlib, found.target.scripts, found.target.data)
    assert all(folder.is_relative_to(project / "d") for folder in folders)
    assert not (project / "d").exists()
    assert found.target.python.parent == target_prefix / "bin"


def test_our_own_environment_under_each_name(user, project, tmp_path):
    own = Path(sys.prefix)
    link = tmp_path / "link"
    link.symlink_to(own)
    python = own / "bin/python"
    for prefix in (own, link):
        for variables, argv in (
            ({**user, "VIRTUAL_ENV": str(prefix)}, []),
            ({**user, "VIRTUAL_ENV": "", "CONDA_PREFIX": str(prefix)}, []),
            (user, ["--python", str(prefix)]),
            (user, ["--python", str(prefix / "bin/python")]),
            ({**user, "PIP_PYTHON": str(prefix)}, []),
        ):
            with pytest.raises(UsageError, match="belongs to openvet-install itself"):
                pip.plan(["install", "six", *argv], variables, str(project))
        with pytest.raises(UsageError, match="belongs to openvet-install itself"):
            uv.plan(["pip", "install", "six"], {**user, "VIRTUAL_ENV": str(prefix)}, str(project))
        (project / ".venv").symlink_to(prefix)
        with pytest.raises(UsageError, match="belongs to openvet-install itself"):
            pip.plan(["install", "six"], {**user, "VIRTUAL_ENV": ""}, str(project))
        (project / ".venv").unlink()
    with pytest.raises(UsageError, match="belongs to openvet-install itself"):
        inspect(str(python), user)


@pytest.mark.parametrize(
    ("argv", "variables"),
    [
        (["venv", "--clear"], {}),
        (["venv", "-c", "here"], {}),
        (["venv", "--directory=sub", "--clear", "../here"], {}),
        (["venv", "--clear"], {"UV_WORKING_DIR": "sub", "UV_PROJECT_ENVIRONMENT": "../here"}),
        (["venv", "--clear", "--project=sub"], {"UV_PROJECT_ENVIRONMENT": "../here"}),
        (["venv", "--clear"], {"UV_PROJECT": "sub", "UV_PROJECT_ENVIRONMENT": sys.prefix}),
    ],
)
def test_no_environment_is_made_in_place_of_our_own(user, project, monkeypatch, argv, variables):
    monkeypatch.setattr("os.execve", lambda *_: pytest.fail("uv was started"))
    (project / "sub").mkdir()
    for name in ("here",) if variables else (".venv", "here"):
        (project / name).symlink_to(sys.prefix)
    with pytest.raises(UsageError, match="belongs to openvet-install itself"):
        passing.run_through("uv", passing.classify("uv", argv), {**user, **variables}, str(project))


def _script(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    script = folder / "uv"
    script.write_text('#!/bin/sh\ntouch "$HOME/ran"\n')
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("place", ["target", "project", "venv", "conda", "open"])
def test_a_script_named_uv(user, project, tmp_path, target_prefix, place):
    folder = {
        "target": target_prefix / "bin",
        "project": project / "tools",
        "venv": project / ".venv/bin",
        "conda": tmp_path / "conda/bin",
        "open": tmp_path / "open",
    }[place]
    (project / "pyproject.toml").touch()
    script = _script(folder)
    if place == "open":
        folder.chmod(0o777)
    variables = {**user, "PATH": f"{folder}:/usr/bin:/bin", "CONDA_PREFIX": str(tmp_path / "conda")}
    try:
        found = uv.plan(["pip", "install", "six"], variables, str(project))
    finally:
        script.unlink()
    assert found.helper.ours
    assert [path for path, _reason in found.helper.skipped] == [str(script)]
    assert not Path(user["HOME"], "ran").exists()


def test_a_link_into_the_target(user, project, tmp_path, target_prefix):
    script = _script(target_prefix / "bin")
    folder = tmp_path / "tools"
    folder.mkdir(mode=0o755)
    (folder / "uv").symlink_to(script)
    try:
        found = choice.find_uv({**user, "PATH": str(folder)}, str(project))
    finally:
        script.unlink()
    assert (found.ours, len(found.skipped)) == (True, 1)


def test_relative_folders_on_path_do_not_count(user, project):
    _script(project)
    for path in ("", ".", "tools", f":{project}"):
        assert choice.find_uv({**user, "PATH": path}, str(project)).skipped == ()


def test_a_file_of_somebody_else(user, project, tmp_path, monkeypatch):
    script = _script(tmp_path / "tools")
    monkeypatch.setattr(choice.os, "geteuid", lambda: os.getuid() + 1)
    found = choice.find_uv({**user, "PATH": str(script.parent)}, str(project))
    if os.getuid() == 0:
        assert not found.ours  # what belongs to root is fine
    else:
        assert found.ours


@pytest.mark.parametrize("argv", [["--target="], ["--prefix", ""], ["-e", ""], ["--directory="], [""]], ids=" ".join)
def test_a_variable_that_is_empty_names_nothing(user, project, argv):
    """As in `--target "$FOLDER"`: what was meant for elsewhere does not go into the environment."""
    with pytest.raises(UsageError):
        uv.plan(["pip", "install", *argv, "six"], user, str(project))
