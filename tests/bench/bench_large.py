"""A wheel of 500 MB through the gate, against plain pip and plain uv in the same run: medians, ratios, our peak memory.

    python tests/bench/bench_large.py [--rounds N] [--megabytes N]

Index and log are on loopback; nothing is in our store, isolation is off.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.bench_install import PEAK, once
from tests.support.indexsim import IndexSimulator
from tests.support.logsim import LogSimulator
from tests.support.stage import PROGRAMS, YES, Stage
from tests.support.wheels import make_wheel

RATIO, MEMORY_MB = 1.3, 120
PIECE = 50 * 2**20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, LogSimulator() as logs, IndexSimulator() as index:
        stage = Stage(Path(name), index, logs)
        files = {f"large/part{number}.bin": os.urandom(PIECE) for number in range(arguments.megabytes * 2**20 // PIECE)}
        body = make_wheel("large", "1.0", files={"large/__init__.py": b"", **files}, compression=zipfile.ZIP_STORED)
        del files
        stage.wheel("large", "1.0", YES, body=body)
        stage.policy()
        env = stage.variables | {"OPENVET_INSTALL_TIMINGS": "1"}
        cases = {
            "pip": (
                [sys.executable, "-m", "pip", "--python", "{python}", "install", "-q", "--no-cache-dir"],
                [str(PROGRAMS / "openvet-pip"), "install", "-q"],
            ),
            "uv": (
                [str(PROGRAMS / "uv"), "pip", "install", "-q", "--no-cache"],
                [str(PROGRAMS / "openvet-uv"), "pip", "install", "-q"],
            ),
        }
        print(f"{len(body) / 2**20:.0f} MB, {arguments.rounds} rounds, medians in seconds")
        print(f"{'':6}{'plain':>8}{'gated':>8}{'ratio':>8}{'peak MB':>9}   (wanted {RATIO}, {MEMORY_MB} MB)")
        for case, (plain, gated) in cases.items():
            spent, peaks = {"plain": [], "gated": []}, []
            for number in range(arguments.rounds):
                for kind, command in (("plain", plain), ("gated", gated)):
                    shutil.rmtree(stage.folder / "cache", ignore_errors=True)
                    place = f"{case}-{kind}-{number}"
                    began = time.perf_counter()
                    _, said = once(command, ["large"], env, stage.project, stage.folder, place)
                    spent[kind].append(time.perf_counter() - began)
                    peaks += [int(found) / 1024 for found in PEAK.findall(said)]
                    shutil.rmtree(stage.folder / place)
            ratio = statistics.median(g / p for g, p in zip(spent["gated"], spent["plain"], strict=True))
            medians = [statistics.median(spent[kind]) for kind in ("plain", "gated")]
            print(f"{case:6}{medians[0]:8.2f}{medians[1]:8.2f}{ratio:8.2f}{max(peaks):9.0f}")


if __name__ == "__main__":
    main()
