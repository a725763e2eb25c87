"""Base images without a registry: `debootstrap` and `docker import`, kept by the engine between runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.stage import PROGRAMS

DEBIAN, MINIMAL, READY = "openvet-test/debian:1", "openvet-test/minimal:2", "openvet-test/openvet"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
SUITE = "bookworm"

# As images look that have no shell but busybox's, no package manager and no pip.
MINIMAL_RECIPE = f"""\
FROM {DEBIAN} AS full
COPY busybox /out/bin/busybox
RUN cd /out && mkdir -p usr/bin usr/lib usr/local/bin etc/ssl/certs tmp root home/user \\
 && chmod 1777 /out/tmp && chown 1000:1000 /out/home/user \\
 && cp -a /usr/lib/python3* /out/usr/lib/ && cp -L /usr/bin/python3 /out/usr/bin/python3 \\
 && for name in gcc_s pthread dl rt; do ls /lib/*-linux-gnu/lib$name.so.?; done > libs \\
 && cp -L --parents $(ldd /usr/bin/python3 /usr/lib/python3*/lib-dynload/*.so | grep -o '/[^ :]*\\.so[.0-9]*' \\
    | grep -v lib-dynload | sort -u) $(cat libs) /out/ && rm libs \\
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \\
 && printf 'root:x:0:0::/root:/bin/sh\\nuser:x:1000:1000::/home/user:/bin/sh\\n' > /out/etc/passwd \\
 && for name in sh cat chmod cp env id ls mkdir rm test grep; do ln -s busybox /out/bin/$name; done
FROM scratch
COPY --from=full /out /
"""


def docker(*argv: str, timeout: int = 900, **options):
    return subprocess.run(["docker", *argv], capture_output=True, text=True, timeout=timeout, check=False, **options)


def needs(program: str) -> str:
    """Return the path of a program of Debian; on CI it must be there."""
    found = shutil.which(program)
    if found is None:
        assert "CI" not in os.environ, f"no {program} here"
        pytest.skip(f"no {program} here")
    return found


def has_image(name: str) -> bool:
    return docker("image", "inspect", name).returncode == 0


@pytest.fixture(scope="session")
def engine():
    """A Docker engine that answers; on CI there must be one."""
    if shutil.which("docker") is None or docker("info").returncode != 0:
        assert "CI" not in os.environ, "no Docker engine answers"
        pytest.skip("no Docker engine answers")


def build(tag: str, recipe: str, context: Path, *options: str):
    return docker(
        "build", "--network=host", "--force-rm", f"--tag={tag}", "--file=-", *options, str(context), input=recipe
    )


@pytest.fixture(scope="session")
def debian(engine, tmp_path_factory):
    """Debian with Python and without pip, with this machine's certificates."""
    if has_image(DEBIAN):
        return DEBIAN
    root = tmp_path_factory.mktemp("debian")
    subprocess.run(
        [needs("debootstrap"), "--variant=minbase", "--include=python3,ca-certificates", SUITE, str(root)], check=True,
        timeout=900, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, root / "etc/ssl/certs/ca-certificates.crt")
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
        subprocess.run(["docker", "import", "-", DEBIAN], stdin=packed.stdout, check=True, timeout=600)
    shutil.rmtree(root, ignore_errors=True)
    return DEBIAN


@pytest.fixture(scope="session")
def minimal(debian, tmp_path_factory):
    """Python, busybox and nothing else: what distroless-like images look like."""
    if not has_image(MINIMAL):
        folder = tmp_path_factory.mktemp("minimal")
        shutil.copy(needs("busybox"), folder / "busybox")
        ended = build(MINIMAL, MINIMAL_RECIPE, folder)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return MINIMAL


@pytest.fixture(scope="session")
def tool(debian, tmp_path_factory):
    """The image that others copy /opt/openvet from, as `openvet-install docker` has it made; of this very code."""
    folder = tmp_path_factory.mktemp("tool") / "openvet"
    command = [str(PROGRAMS / "openvet-install"), "docker", str(folder), "--python", "3.11"]
    subprocess.run(command, check=True, timeout=900)
    ended = build(READY, (folder / "Dockerfile").read_text(), folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return READY
