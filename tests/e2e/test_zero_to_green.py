"""A project of 200 real packages that nobody audited, from no policy to a green check in at most six commands."""

import os
import re
import subprocess

import pytest
from uv import find_uv_bin

from tests.support.logsim import LogSimulator
from tests.support.projects import PYTHON
from tests.support.stage import PROGRAMS, make_environment

ROOTS = (
    "jupyter", "sphinx", "mkdocs-material", "django", "fastapi[all]", "celery", "scikit-learn", "boto3", "black",
    "pytest-xdist", "tox", "poetry", "flask", "sqlalchemy", "alembic", "scrapy", "nox", "twine", "pre-commit",
    "httpx[http2]", "paramiko", "rich", "dask", "aiohttp", "requests-oauthlib",
)  # fmt: skip
WANTED = 200
AT_MOST = 6


@pytest.mark.network
def test_two_hundred_unaudited_packages_are_green_in_six_commands(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    listed = ", ".join(f'"{one}"' for one in ROOTS)
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "ours"\nversion = "1"\nrequires-python = "=={PYTHON}.*"\ndependencies = [{listed}]\n'
    )
    make_environment(project / ".venv")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OPENVET_")}
    variables |= {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CACHE", "STATE", "CONFIG")}
    variables |= {"VIRTUAL_ENV": str(project / ".venv"), "OPENVET_INSTALL_OWNER": "platform@example.com"}
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=project, env=variables, check=True, timeout=300)
    with LogSimulator() as logs:
        log = logs.log("acme")
        log.publish("nothing-of-this", "1", claims={"is-benign": True})
        ran = [_run(project, variables, *one) for one in (("init", "--log", log.url), ("check",), ("baseline",))]
        policy = project / "openvet.toml"
        policy.write_text(policy.read_text().replace('mode = "warn"', 'mode = "block"'))
        ran.append(_run(project, variables, "check"))
        assert len(ran) <= AT_MOST
    assert [ended.returncode for ended in ran] == [0] * len(ran), [ended.stderr for ended in ran]
    counted = re.search(r"Summary: 0 passed, 0 failed, (\d+) unaudited", ran[1].stderr)
    assert counted, ran[1].stderr
    assert int(counted[1]) >= WANTED
    assert re.match(r"wrote openvet\.baseline\.toml: \d+ releases, \d{3,} files; ", ran[2].stdout), ran[2].stdout
    assert ran[3].returncode == 0
    assert ran[3].stdout == ""
    assert f"0 failed, 0 unaudited, 1 skipped, {counted[1]} baseline" in ran[3].stderr
    assert 'mode = "block"' in policy.read_text()


def _run(project, variables, *words):
    command = [str(PROGRAMS / "openvet-install"), *words]
    return subprocess.run(
        command, cwd=project, env=variables, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
