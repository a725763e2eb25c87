"""Images built by the real engine, explicit and transparent, as root and not: T80 to T83."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.docker.conftest import build, docker
from tests.e2e.test_commands import write_lock
from tests.support.journeys import play
from tests.support.stage import BENIGN, NO, YES

pytestmark = pytest.mark.docker
AUTO = BENIGN.replace('isolation = "off"', 'isolation = "auto"')


@pytest.fixture
def gated(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.policy(AUTO)
    return stage


def head(base, tool, folder="/opt", *user):
    """What `recipe.Dockerfile` begins with, and an environment to install into."""
    owner = " --chown=1000:1000" if user else ""
    return [
        f"FROM {tool} AS openvet",
        f"FROM {base} AS build",
        f"COPY --from=openvet{owner} /opt/openvet {folder}/openvet",
        *user,
        f"RUN python3 {folder}/openvet/setup.py && python3 -m venv --without-pip {folder}/venv",
        f"ENV VIRTUAL_ENV={folder}/venv",
    ]


def lined(stage, lines):
    """The recipe with the index and the policy of the test."""
    index = f"ENV PIP_INDEX_URL={stage.index.simple_url} UV_DEFAULT_INDEX={stage.index.simple_url}"
    project = f"{index}\nWORKDIR /app\nCOPY openvet*.toml openvet*.lock ./"
    return [*(line.replace("@PROJECT@", project) for line in lines), ""]


def made(stage, tag, lines):
    """Build it; return the exit code, and what the build said."""
    ended = build(tag, "\n".join(lined(stage, lines)), stage.project)
    return ended.returncode, ended.stdout + ended.stderr


def names_in(image):
    """Every path in the file system of an image."""
    name = docker("create", image, "x").stdout.strip()
    with subprocess.Popen(["docker", "export", name], stdout=subprocess.PIPE) as packed:
        listed = subprocess.run(["tar", "-t"], stdin=packed.stdout, capture_output=True, text=True, check=True)
    docker("rm", name)
    return listed.stdout.splitlines()


SITE = "/opt/openvet/env/lib/python3.11/site-packages"
OFFLINE = "ENV OPENVET_INSTALL_OFFLINE=1"
SHELL = 'SHELL ["openvet-install", "exec", "--", "/bin/sh", "-ec"]'
BLOCK = "✘ pypi:bad@1.0?py3-none-any    contradicted    command line"


def stopped(code, said):
    """The engine stopped with our exit code, and our words stand right above its own."""
    lines = [line for line in said.splitlines() if line.strip()]
    assert code != 0
    assert "returned a non-zero code: 77" in lines[-1], said
    assert BLOCK in said, said
    assert "guard rail" not in said  # `doctor` says it, not every layer


def test_explicit_and_nothing_is_left_in_the_final_image(gated, debian, tool):
    lines = [
        *head(debian, tool),
        "@PROJECT@",
        "RUN openvet-pip install -q goodlib && openvet-uv pip install -q --reinstall goodlib",
        "RUN openvet-install check --environment",
        f"FROM {debian}",
        "COPY --from=build /opt/venv /venv",
    ]
    code, said = made(gated, "openvet-test/explicit", lines)
    assert code == 0, said
    found = names_in("openvet-test/explicit")
    assert any(name.endswith(("site-packages/goodlib/__init__.py", "goodlib.py")) for name in found)
    assert not [name for name in found if "openvet" in name]
    history = docker("history", "--no-trunc", "--format", "{{json .}}", "openvet-test/explicit").stdout
    told = [json.loads(line)["CreatedBy"] for line in history.splitlines()]
    assert not [one for one in told if "openvet:" in one or "ca.pem" in one]


def test_an_explicit_block_ends_with_our_words(gated, debian, tool):
    stopped(*made(gated, "openvet-test/never", [*head(debian, tool), "@PROJECT@", "RUN openvet-pip install bad"]))


@pytest.mark.parametrize("command", ["pip install", "uv pip install"])
def test_shell_gates_plain_lines(gated, debian, tool, command):
    lines = [*head(debian, tool), "@PROJECT@", SHELL, f"RUN {command} -q goodlib; {command} bad; echo not reached"]
    code, said = made(gated, "openvet-test/never", lines)
    stopped(code, said)
    assert "\nnot reached" not in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            'RUN ["/opt/venv/bin/python", "/opt/openvet/env/lib/python3.11/site-packages/pip", "install", "goodlib"]',
            "pip",
        ),
        ('RUN ["/opt/openvet/env/bin/uv", "pip", "install", "goodlib"]', "uv"),
    ],
)
def test_a_stray_line_is_stopped_and_told_what_to_use(gated, debian, tool, line, words):
    code, said = made(gated, "openvet-test/never", [*head(debian, tool), SHELL, line])
    assert code != 0
    assert f"use-openvet-{words}" in said, said


def test_an_ordinary_user_in_a_minimal_image(gated, minimal, tool):
    user = ["USER user", "ENV HOME=/home/user PATH=/home/user/openvet/bin:/usr/bin:/bin"]
    lines = [
        *head(minimal, tool, "/home/user", *user),
        "@PROJECT@",
        SHELL,
        "RUN openvet-pip install -q goodlib; openvet-install check --environment; pip install bad",
    ]
    stopped(*made(gated, "openvet-test/never", lines))


def test_journey_8_with_a_bundle_a_build_asks_no_log(gated, debian, tool):
    gated.wheel("cryptography", "1.0", YES)
    write_lock(gated, "goodlib", "cryptography")
    gated.policy(AUTO)
    assert gated.run("openvet-install", "bundle").code == 0
    recipe = gated.project / "Dockerfile"

    def explicit():
        lines = ["ENV VIRTUAL_ENV=",  # the environment is that of the project
                 "COPY openvet*.toml openvet*.lock openvet.bundle pyproject.toml uv.lock ./",
                 "RUN openvet-uv sync --locked --no-install-project && openvet-install check --environment",
                 ]  # fmt: skip
        recipe.write_text("\n".join(lined(gated, [*head(debian, tool), "@PROJECT@", OFFLINE, *lines])))

    def unaudited():
        gated.wheel("cryptography", "50.0.2")
        (gated.project / "uv.lock").unlink()
        write_lock(gated, "goodlib", "cryptography")

    def shell():
        lines = ["COPY openvet.bundle ./", SHELL, "RUN pip install acme-yaml"]
        gated.wheel("acme-yaml", "1.0")
        assert gated.run("openvet-install", "bundle", "acme-yaml").code == 0
        gated.logs.requests.clear()
        recipe.write_text("\n".join(lined(gated, [*head(debian, tool), "@PROJECT@", OFFLINE, *lines])))

    explicit()
    gated.logs.requests.clear()
    play(gated, "08-docker", env={"BUILD": "docker build --network=host --force-rm --tag=openvet-test/journey ."},
         between={"an unaudited release": unaudited, "SHELL": shell})  # fmt: skip
    assert gated.logs.requests == []


def test_wheels_that_are_not_the_listed_ones_are_refused(gated, debian, tool):
    spoil = "RUN echo x >> $(ls /opt/openvet/wheels/h11-*.whl); python3 /opt/openvet/setup.py"
    code, said = made(gated, "openvet-test/never", [*head(debian, tool)[:3], spoil])
    assert code != 0
    assert "is not what wheels.txt says: sha256 differs" in said


def test_files_of_others_are_not_overwritten(gated, debian, tool):
    own = "RUN echo '[global]' > /etc/pip.conf && python3 /opt/openvet/setup.py && cat /etc/pip.conf"
    code, said = made(gated, "openvet-test/never", [*head(debian, tool)[:3], own])
    assert code == 0, said
    assert "note: /etc/pip.conf is there already: plain pip is not closed" in said
