"""Our memory does not grow with files or pages."""

import os
import re
import zipfile

import pytest

from tests.support.stage import YES
from tests.support.wheels import make_wheel

LIMIT_MB = 120
PIECE = 40 * 2**20


def peak(ended):
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", ended.err)
    return int(kilobytes) / 1024


@pytest.mark.parametrize("tool", [("openvet-pip", "install"), ("openvet-uv", "pip", "install")], ids=["pip", "uv"])
def test_a_large_wheel_is_never_held_in_memory(stage, tool):
    piece = os.urandom(PIECE)
    files = {"big/__init__.py": b"", **{f"big/part{number}.bin": piece for number in range(4)}}
    stage.wheel("big", "1.0", YES, body=make_wheel("big", "1.0", files=files, compression=zipfile.ZIP_STORED))
    stage.policy()
    ended = stage.run(*tool, "big", env={"OPENVET_INSTALL_TIMINGS": "1"})
    assert ended.code == 0, ended.err
    assert peak(ended) < LIMIT_MB


def test_a_page_of_many_files_is_read_and_told_within_the_limit(stage):
    stage.wheel("many", "1.0", YES)
    for number in range(4000):
        stage.index.add(b"x", filename=f"many-0.{number}-py3-none-any.whl")
    stage.policy()
    ended = stage.run("openvet-pip", "install", "many", env={"OPENVET_INSTALL_TIMINGS": "1"})
    assert ended.code == 0, ended.err
    assert peak(ended) < LIMIT_MB
