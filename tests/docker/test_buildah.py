"""The recipes of an image with `RUN --mount`, which the engine's own builder does not know: Debian's buildah."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docker.conftest import needs
from tests.docker.test_builds import AUTO, BLOCK, SHELL, head
from tests.support.stage import NO, YES

pytestmark = pytest.mark.docker
LOGIN = ("ci", "a-secret-of-the-index")


class Buildah:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def __call__(self, *argv, **options):
        # Its own store, and no namespaces: it may itself run in a container.
        store = ["--storage-driver=overlay", f"--root={self.folder}/root", f"--runroot={self.folder}/run"]
        return subprocess.run(
            [self.program, *store, *argv], capture_output=True, text=True, timeout=900, check=False, **options
        )

    def build(self, stage, lines, *options):
        index = f"ENV PIP_INDEX_URL={stage.index.simple_url} UV_DEFAULT_INDEX={stage.index.simple_url}"
        place = f"{index}\nWORKDIR /app\nCOPY openvet*.toml openvet*.lock ./"
        recipe = stage.folder / "Containerfile"
        recipe.write_text("\n".join([*lines, ""]).replace("@PROJECT@", place))
        ended = self(
            "bud", "--format=docker", "--isolation=chroot", "--network=host", "--tag=made", f"--file={recipe}",
            *options, str(stage.project),
        )  # fmt: skip
        return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    folder = tmp_path_factory.mktemp("buildah")
    yield Buildah(needs("buildah"), folder)
    # What stays mounted below pytest's folder can never be removed, and every later run would say so.
    for mounted in reversed([line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]):
        if mounted.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mounted], check=True)
    shutil.rmtree(folder)


@pytest.fixture
def gated(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.policy(AUTO)
    return stage


def images(*names):
    return [f"docker-daemon:{name}{'' if ':' in name else ':latest'}" for name in names]


def test_a_login_from_a_secret_is_in_no_layer(gated, buildah, debian, tool):
    gated.index.lies.login = LOGIN
    secret = gated.folder / "netrc"
    secret.write_text("machine {} login {} password {}\n".format(gated.index.host, *LOGIN))
    mount = "--mount=type=secret,id=netrc,target=/root/.netrc"
    lines = [
        *head(*images(debian, tool)),
        "@PROJECT@",
        f"RUN {mount} openvet-uv pip install -q goodlib && openvet-pip install -q --force-reinstall goodlib",
    ]
    code, said = buildah.build(gated, lines, f"--secret=id=netrc,src={secret}")
    assert code == 0, said
    assert "ERROR" not in said
    assert LOGIN[1] not in said
    made = buildah("from", "made").stdout.strip()
    root = Path(buildah("mount", made).stdout.strip())
    assert (root / "opt/venv/lib/python3.11/site-packages/goodlib-1.0.dist-info").is_dir()
    found = subprocess.run(["grep", "-rlF", LOGIN[1], str(root)], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert (found.returncode, found.stderr) == (1, "")
    buildah("umount", made)
    code, said = buildah.build(gated, [*lines[:-1], lines[-1].replace(mount, "")])
    assert code != 0, said


def test_shell_gates_plain_lines_in_docker_format(gated, buildah, debian, tool):
    line = "RUN pip install -q goodlib; pip install bad; echo not reached"
    code, said = buildah.build(gated, [*head(*images(debian, tool)), "@PROJECT@", SHELL, line])
    assert code != 0
    assert BLOCK in said, said
    assert "exit status 77" in said
    assert "\nnot reached" not in said
