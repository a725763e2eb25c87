"""What `exec` adds to a command that asks for nothing; pairs in turn, medians.

python tests/bench/bench_exec.py [--rounds N]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.stage import BENIGN, PROGRAMS, YES, stage

MILLISECONDS = 150


def seconds(command, found):
    """Return how long a command takes: by the clock, and of the processors."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, env=found.variables, cwd=found.project, capture_output=True, check=True)
    took, after = time.perf_counter() - began, os.times()
    return took, after[2] + after[3] - before[2] - before[3]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    good = True
    for isolation in ("off", "auto"):
        with tempfile.TemporaryDirectory() as name, stage(Path(name) / "s") as found:
            found.wheel("goodlib", "1.0", YES)
            found.policy(BENIGN.replace('isolation = "off"', f'isolation = "{isolation}"'))
            ours = [str(PROGRAMS / "openvet-install"), "exec", "--", "true"]
            pairs = [(seconds(["true"], found), seconds(ours, found)) for _ in range(rounds + 1)][1:]
        over = statistics.median(second[0] - first[0] for first, second in pairs)
        worked = statistics.median(second[1] - first[1] for first, second in pairs)
        good &= over * 1000 <= MILLISECONDS
        print(
            f"exec -- true, isolation = {isolation}: {over * 1000:.0f} ms more, {worked * 1000:.0f} ms of CPU "
            f"(wanted {MILLISECONDS} ms)"
        )
    sys.exit(not good)


if __name__ == "__main__":
    main()
