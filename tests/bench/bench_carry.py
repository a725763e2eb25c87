"""What carrying an audit costs for a wheel of 10 MB: comparing, remembering, and gated runs without, first and again.

python -m tests.bench.bench_carry
"""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from openvet_install.archive import open_archive
from openvet_install.archive.same import compare
from openvet_install.files import File
from openvet_install.gate.remembered import Remembered
from openvet_install.gate.state import Folders
from openvet_install.openvet.subject import Subject
from tests.support.stage import BENIGN, YES, stage
from tests.support.wheels import make_wheel, wheel_name

RUNS = 5
OLD = "py2-none-any"


def content():
    dice = random.Random(1)
    words = [bytes(dice.choices(b"abcdefghijklmnop_ \n", k=8)) for _ in range(5000)]
    return {f"x/m{number}.py": b"".join(dice.choices(words, k=12_000)) for number in range(220)}


def comparing(files, folder):
    paths = [folder / wheel_name("x", "1.0", tag) for tag in ("py3-none-any", OLD)]
    for path in paths:
        path.write_bytes(make_wheel("x", "1.0", files=files, tag=path.stem.split("-", 2)[2]))
    started = time.perf_counter()
    first = open_archive(paths[0], paths[0].name)
    one = time.perf_counter() - started
    found = compare(first, open_archive(paths[1], paths[1].name))
    both = time.perf_counter() - started
    print(f"{paths[0].stat().st_size / 1e6:.1f} MB: opened in {one:.2f} s, carried in {both:.2f} s; {found}")
    file = File(name="x", version="1.0", filename=paths[0].name, url="", index="", sha256="a" * 64)
    subject = Subject.parse(f"pypi:x@1.0?{OLD}#sha256:{'b' * 64}")
    folders = Folders(folder / "cache", folder / "state")
    Remembered(folders).put(file, subject, found)
    started = time.perf_counter()
    assert Remembered(folders).find(file, subject) == found
    print(f"found again in {(time.perf_counter() - started) * 1000:.1f} ms")


def spent(found, *, forget=False, runs=RUNS):
    times = []
    for _ in range(runs):
        found.run("openvet-uv", "pip", "uninstall", "x")
        if forget:
            shutil.rmtree(found.folder / "cache", ignore_errors=True)
        started = time.perf_counter()
        ended = found.run("openvet-uv", "pip", "install", "x")
        times.append(time.perf_counter() - started)
        assert ended.code == 0, ended.err
    return statistics.median(times)


def running(files, folder):
    with stage(folder) as found:
        found.wheel("x", "1.0", YES, files=files)
        found.policy()
        plain, plain_again = spent(found, forget=True), spent(found)
    with stage(folder / "carried") as found:
        found.wheel("x", "1.0", YES, files=files, tag=OLD)
        found.wheel("x", "1.0", files=files)
        found.policy(BENIGN + 'carry = "content"\n')
        first, again = spent(found, forget=True), spent(found)
    print(f"a run that fetches all: audited {plain:.2f} s, carried {first:.2f} s ({first - plain:+.2f})")
    print(f"the same run again:     audited {plain_again:.2f} s, carried {again:.2f} s ({again - plain_again:+.2f})")


def main() -> None:
    files = content()
    with tempfile.TemporaryDirectory() as folder:
        comparing(files, Path(folder))
        running(files, Path(folder, "stage"))


if __name__ == "__main__":
    main()
