"""`openvet-uv pip compile` writes what plain uv would write for the same releases, and no name of ours."""

import subprocess

import pytest

from tests.support.projects import ELSEWHERE, HERE, PYTHON, WINDOWS
from tests.support.stage import PROGRAMS, WARN, YES, make_environment

COMPILE = ("openvet-uv", "pip", "compile")
PROJECT = """[project]
name = "mine"
dynamic = ["version"]
requires-python = ">=3.10"
dependencies = ["app"]
[project.optional-dependencies]
x = ["extra>=1"]
[dependency-groups]
dev = [{ include-group = "base" }, "tool"]
base = ["lib"]
"""


def offer(stage):
    """All that is approved is what plain uv would take, so that both write the same."""
    stage.wheel("app", "1.0", YES, requires=["lib>=1", f"win; {WINDOWS}", "nat"])
    stage.wheel("lib", "1.0", YES)
    stage.wheel("lib", "2.0", YES)
    stage.sdist("lib", "2.0")
    stage.wheel("tool", "1.0", YES, requires=["lib"])
    stage.wheel("extra", "1.0", YES)
    stage.wheel("win", "1.0", tag="py3-none-win_amd64")
    stage.wheel("nat", "1.0", YES, tag=HERE)
    for tag in ELSEWHERE:
        stage.wheel("nat", "1.0", tag=tag)
    stage.policy()
    (stage.project / "requirements.in").write_text("app\n-r sub/more.in\n-c limits.txt  # why\n")
    (stage.project / "sub").mkdir()
    (stage.project / "sub/more.in").write_text("tool ; python_version > '3.0'\n-c ../limits2.txt\n")
    (stage.project / "limits.txt").write_text("lib<3\n")
    (stage.project / "limits2.txt").write_text("lib!=1.5\n")
    (stage.project / "builds.txt").write_text("setuptools<100\n")
    (stage.project / "over.txt").write_text("lib==1.0\n")
    (stage.project / "pyproject.toml").write_text(PROJECT)
    (stage.project / "sub/pyproject.toml").write_text(PROJECT.replace("mine", "other"))


def plain(stage, *words, stdin=None, env=None):
    return subprocess.run(
        [str(PROGRAMS / "uv"), "pip", "compile", *words],
        env={**stage.variables, "UV_NO_CACHE": "1", **(env or {})}, cwd=stage.project, check=False,
        capture_output=True, text=True, timeout=60, input=stdin,
    )  # fmt: skip


def same(stage, *words, stdin=None, env=None, output="out.txt"):
    """Run both and compare what they print and write; return it."""
    found = []
    before = (stage.project / output).read_bytes() if (stage.project / output).exists() else None
    for run in (plain, lambda stage, *words, **more: stage.run(*COMPILE, *words, **more)):
        if before is not None:
            (stage.project / output).write_bytes(before)
        ended = run(stage, *words, stdin=stdin, env=env)
        written = (stage.project / output).read_text() if (stage.project / output).exists() else None
        (stage.project / output).unlink(missing_ok=True)
        out = ended.stdout if hasattr(ended, "stdout") else ended.out
        code = ended.returncode if hasattr(ended, "returncode") else ended.code
        assert code == 0, ended
        found.append((out, written))
    assert found[0] == found[1]
    assert stage.leftovers == []
    return found[0]


@pytest.mark.parametrize(
    "words",
    [
        ["requirements.in"],
        ["requirements.in", "-o", "out.txt"],
        ["-q", "./requirements.in", "--output-file=out.txt"],
        ["requirements.in", "--universal", "--generate-hashes", "-o", "out.txt"],
        ["requirements.in", "--generate-hashes", "--emit-index-url", "--emit-index-annotation", "--emit-build-options"],
        ["requirements.in", "--python-platform", "linux", f"--python-version={PYTHON}"],
        ["requirements.in", "-p", PYTHON, "--annotation-style", "line", "--no-strip-extras"],
        ["requirements.in", "-c", "limits2.txt", "-b", "builds.txt", "--overrides=over.txt", "-U", "-P", "lib"],
        ["pyproject.toml", "--extra", "x", "--group", "dev"],
        ["pyproject.toml", "requirements.in", "--all-extras", "-o", "out.txt", "--no-annotate"],
        ["--group", "dev", "--no-header"],
        ["--group", "pyproject.toml:base"],
        ["--group", "base", "--project", "sub", "requirements.in"],
        ["requirements.in", "--format", "pylock.toml"],
        ["requirements.in", "--custom-compile-command", "make locks"],
        ["requirements.in", "--no-emit-package", "lib", "--no-deps"],
        ["--no-cache", "requirements.in", "--resolution", "lowest"],
    ],
    ids=" ".join,
)
def test_as_plain_uv(stage, words):
    offer(stage)
    said, written = same(stage, *words)
    assert ("==" in (written or said)) or "[[packages]]" in said


def test_another_python_than_that_of_the_environment_here(stage):
    """It is what the output is for: nothing says that the environment was made anew."""
    offer(stage)
    make_environment(stage.project / ".venv")
    stage.variables.pop("VIRTUAL_ENV")
    (stage.project / "small.in").write_text("lib\n")
    same(stage, "small.in", "--python-version", "3.13")


@pytest.mark.parametrize("version", ["3", "3.12.0a1", "v3.12", "3.12.1rc1"])
def test_versions_of_python_as_uv_reads_them(stage, version):
    stage.wheel("lib", "1.0", YES, requires=["old; python_version < '3.1'", "new; python_full_version >= '3.12'"])
    for name in ("old", "new"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    (stage.project / "small.in").write_text("lib\n")
    said, _written = same(stage, "small.in", "--python-version", version)
    assert ("old==1.0" in said, "new==1.0" in said) == (version == "3", version != "3")


def test_files_without_a_name_are_none(stage):
    offer(stage)
    words = ("-c", "", "-b", "", "--overrides", "", "--excludes", "")
    (stage.project / "none.txt").write_text("lib>9\n")
    said, _ = same(stage, "requirements.in", *words, env={"UV_CONSTRAINT": "none.txt"})
    assert "lib==2.0" in said


def test_standard_input(stage):
    offer(stage)
    said, _written = same(stage, "-", "-c", "limits.txt", stdin="lib>1\n-r requirements.in\n")
    assert "lib==2.0" in said


def test_absolute_names_links_and_folders(stage):
    offer(stage)
    beside = stage.folder / "beside"
    beside.mkdir()
    (beside / "far.in").write_text(f"extra\n-r {stage.project}/sub/more.in\n-c near.txt\n")
    (beside / "near.txt").write_text("lib<3\n")
    said, _ = same(stage, str(beside / "far.in"), str(stage.project / "requirements.in"), "../beside/far.in")
    assert f"-r {beside}/far.in" in said
    assert "-r requirements.in" in said


def test_a_pylock(stage):
    offer(stage)
    said, written = same(stage, "requirements.in", "-o", "pylock.toml", output="pylock.toml")
    assert written
    assert "win_amd64" not in written
    (stage.project / "pylock.toml").write_text(written.replace('version = "2.0"', 'version = "1.0"'))
    same(stage, "requirements.in", "-o", "pylock.toml", output="pylock.toml")
    assert said


def test_what_was_chosen_before_stays(stage):
    offer(stage)
    (stage.project / "out.txt").write_text("--index-url http://elsewhere.invalid/simple\nlib==1.0\n    # via app\n")
    _said, written = same(stage, "requirements.in", "-o", "out.txt")
    assert "lib==1.0" in written
    (stage.project / "out.txt").write_text("lib==1.0\n")
    _said, written = same(stage, "requirements.in", "-o", "out.txt", "--upgrade-package", "lib")
    assert "lib==2.0" in written


def test_a_script(stage):
    offer(stage)
    (stage.project / "job.py").write_text('# /// script\n# dependencies = ["app"]\n# ///\nprint(1)\n')
    said, _ = same(stage, "job.py")
    assert "app==1.0" in said


def test_settings_of_the_project_count(stage):
    offer(stage)
    more = "[tool.uv.pip]\nuniversal = true\ngenerate-hashes = true\ncustom-compile-command = 'x'\ngroup = ['base']\n"
    (stage.project / "pyproject.toml").write_text(f"{PROJECT}{more}[tool.uv]\nconstraint-dependencies = ['lib<2']\n")
    said, _ = same(stage, "requirements.in")
    assert "lib==1.0" in said
    assert "win_amd64" not in said
    assert "sha256:" in said


def test_variables(stage):
    offer(stage)
    same(stage, "requirements.in", env={"UV_CUSTOM_COMPILE_COMMAND": "make", "UV_CONSTRAINT": "limits2.txt"})
    same(stage, "requirements.in", env={"UV_PYTHON": PYTHON})


def test_indexes_and_pages_in_the_head_of_the_file(stage):
    offer(stage)
    url = stage.index.simple_url
    for more in ([], ["--emit-index-url", "--emit-find-links"]):
        same(
            stage,
            "-i",
            url,
            f"--extra-index-url={url}",
            f"-f{url}/lib/",
            "--find-links",
            f"{url}/lib/",
            "requirements.in",
            *more,
        )


def test_led_to_what_is_approved(stage):
    offer(stage)
    stage.wheel("lib", "2.5")
    ended = stage.run(*COMPILE, "requirements.in", "-o", "out.txt")
    assert ended.code == 0, ended.err
    assert "lib==2.0" in (stage.project / "out.txt").read_text()
    assert "held back: lib 2.0, newest 2.5 is unaudited" in ended.err


def test_silence_is_told_in_warn_mode(stage):
    offer(stage)
    stage.wheel("other", "1.0")
    stage.policy(WARN)
    (stage.project / "other.in").write_text("other\n")
    ended = stage.run(*COMPILE, "other.in", "-o", "out.txt")
    assert ended.code == 0, ended.err
    assert "warned, 1 of 1 package is not approved" in ended.err
    assert "other==1.0" in (stage.project / "out.txt").read_text()
    assert ended.out == (stage.project / "out.txt").read_text()


def test_through_a_link_and_into_a_new_folder(stage):
    offer(stage)
    (stage.project / "real.txt").write_text("")
    (stage.project / "real.txt").chmod(0o600)
    (stage.project / "link.txt").symlink_to("real.txt")
    assert stage.run(*COMPILE, "requirements.in", "-o", "link.txt").code == 0
    assert (stage.project / "link.txt").is_symlink()
    assert "lib==2.0" in (stage.project / "real.txt").read_text()
    assert stage.run(*COMPILE, "requirements.in", "-o", "new/out.txt").code == 0
    assert "lib==2.0" in (stage.project / "new/out.txt").read_text()


def test_a_requirement_that_nothing_meets(stage):
    offer(stage)
    (stage.project / "none.in").write_text("lib>9\n")
    ended = stage.run(*COMPILE, "none.in", "-o", "out.txt")
    assert ended.code == 1, ended.err
    assert "No solution found" in ended.err
    assert not (stage.project / "out.txt").exists()
    assert not ended.out
