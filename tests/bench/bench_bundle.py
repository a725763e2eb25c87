"""A bundle of 200 packages out of a large log: its size, what it takes to make, and what it takes to judge by it.

    python tests/bench/make_big_log.py FOLDER
    python tests/bench/bench_bundle.py FOLDER [--packages 200] [--rounds N]

"Used" is all that a run does with it on a machine that never saw the log: read it, verify the heads, read and verify
every audit of every package. Beside it the whole command, `check --all-files`, without a store and with a warm one.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
import zipfile
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openvet_install.config import policies
from openvet_install.gate.bundles import Bundles
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.state import Looks
from openvet_install.http import Nowhere
from openvet_install.installers.locks import read_lock
from openvet_install.openvet.store import Store
from tests.bench.bench_log import Bench, served
from tests.support.stage import PROGRAMS

MEGABYTES, SECONDS = 10, 0.5


def shorten(path, packages):
    head, *rest = re.split(r"(?m)^(?=\[\[package\]\]$)", path.read_text("utf-8"))
    path.write_text("".join([head, *rest[:packages]]), encoding="utf-8")


def used(bench, names, files, round_):
    """Return the seconds that judging by the bundle takes: by the clock, and of the processors."""
    began, worked = time.perf_counter(), time.process_time()
    now = datetime.now(timezone.utc)
    found = policies(bench.project, os.environ, now.date(), project=bench.project)
    with Store(bench.place / f"store{round_}") as store:
        knowledge = Knowledge(
            found, fetcher=Nowhere(environ={}), store=store, looks=Looks(bench.place / f"state{round_}"), now=now,
            offline=True, bundles=Bundles(),
        )  # fmt: skip
        knowledge.open()
        knowledge.prepare(names)
        for file in files:
            knowledge.evidence(file)
    return time.perf_counter() - began, time.process_time() - worked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--packages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-bundle-") as name, served(arguments.folder) as base:
        bench = Bench(arguments.folder, Path(name), base)
        bench.policy(lock=True)
        bench.pin(bench.facts["head"])
        shorten(bench.project / "uv.lock", arguments.packages)
        seconds, _, told = bench.timed(PROGRAMS / "openvet-install", "bundle", expect=(0,))
        print(f"{told.strip()} (in {seconds:.2f} s, {bench.facts['entries']} audits in the log)")
        path = bench.project / "openvet.bundle"
        size = path.stat().st_size / 1e6
        with zipfile.ZipFile(path) as file:
            kinds = [one.partition("/")[0] for one in file.namelist()]
        print("  " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))))
        packages = read_lock(bench.project / "uv.lock").packages
        files = [file for one in packages for file in one.files]
        spent = [used(bench, {one.name for one in packages}, files, round_) for round_ in range(arguments.rounds)]
        whole = {"by the bundle, no store": [], "by the log, warm store": []}
        for _ in range(arguments.rounds):
            bench.forget()
            whole["by the bundle, no store"].append(bench.ours("--offline")[0])
            bench.forget()
            bench.ours()
            whole["by the log, warm store"].append(bench.ours()[0])
        for how, each in whole.items():
            print(f"  check --all-files {how}: {statistics.median(each):.2f} s")
        took, worked = (statistics.median(column) for column in zip(*spent, strict=True))
        print(f"bundle of {len(packages)} packages: {size:.1f} MB (wanted {MEGABYTES} MB)")
        print(f"used in {took:.2f} s ({worked:.2f} s of CPU), {len(files)} files judged (wanted {SECONDS} s)")
    sys.exit(size > MEGABYTES or took > SECONDS)


if __name__ == "__main__":
    main()
