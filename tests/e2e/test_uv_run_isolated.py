"""`uv run --isolated` of a project that must be locked first, and environments of projects that have another name."""

import shutil
import subprocess

import pytest

from tests.support.projects import in_project, plain_uv, write
from tests.support.stage import PROGRAMS, YES

SHOW = "import importlib.metadata as m, sys; print(sorted({d.name + d.version for d in m.distributions()}), sys.prefix)"


@pytest.fixture
def stage(stage):
    for name, version in (("x", "1.0"), ("x", "2.0")):
        stage.wheel(name, version, YES)
    stage.wheel("y", "1.0", YES, requires=["x"])
    stage.policy()
    write(stage, "x<2")
    return in_project(stage)


def both(stage, *words, env=(), locked=False):
    """Run it gated and plainly; return the code, what is installed, which environments were made, if one was used."""
    found = []
    for tool in ("openvet-uv", "uv"):
        for place in (".venv", "env"):
            shutil.rmtree(stage.project / place, ignore_errors=True)
        (stage.project / "uv.lock").unlink(missing_ok=True)
        if locked:
            plain_uv(stage, "lock")
        command = [str(PROGRAMS / tool), "run", *words, "python", "-c", SHOW]
        variables = {**stage.variables, **dict(env)}
        ended = subprocess.run(
            command, cwd=stage.project, env=variables, capture_output=True, text=True, check=False, timeout=120
        )
        said, _, prefix = ended.stdout.strip().rpartition(" ")
        made = sorted(one for one in (".venv", "env") if (stage.project / one).exists())
        found.append((ended.returncode, said, made, prefix.removeprefix(f"{stage.project}/") in made, ended.stderr))
    assert found[0][:4] == found[1][:4], found
    return found[0][:4]


def test_what_must_be_locked_first(stage):
    for words in (["--isolated", "-P", "x", "--with", "y"], ["--isolated", "-U"]):
        with_y = ", 'y1.0'" if "y" in words else ""
        assert both(stage, *words) == (0, f"['x1.0'{with_y}]", [], False)
    assert both(stage, "--isolated", "--with", "y", locked=True)[1] == "['x1.0', 'y1.0']"
    assert both(stage, "--isolated", "--no-sync", "--with", "y", locked=True)[1] == "['x2.0', 'y1.0']"


def test_an_environment_by_another_name(stage):
    env = {"UV_PROJECT_ENVIRONMENT": "env"}
    assert both(stage, env=env) == (0, "['x1.0']", ["env"], True)
    assert both(stage, "-U", "--with", "y", env=env)[:3] == (0, "['x1.0', 'y1.0']", ["env"])
