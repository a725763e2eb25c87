"""What a passing command costs over the tool's own time; pairs in turn, medians.

python tests/bench/bench_pass.py [--rounds N]
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

from openvet_install.installers.choice import pip_program
from tests.support.stage import PROGRAMS, make_environment


def seconds(command, env):
    began = time.perf_counter()
    subprocess.run(command, env=env, capture_output=True, check=True)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        environment = Path(name) / "environment"
        make_environment(environment)
        env = os.environ | {"VIRTUAL_ENV": str(environment)}
        uv = str(PROGRAMS / "uv")
        pip = [*pip_program(str(environment / "bin" / "python")), "list"]
        cases = {
            "uv --version": ([uv, "--version"], ["openvet-uv", "--version"]),
            "uv pip list": ([uv, "pip", "list"], ["openvet-uv", "pip", "list"]),
            "pip list": (pip, ["openvet-pip", "list"]),
        }
        print(f"{rounds} rounds, medians in milliseconds")
        print(f"{'':14}{'plain':>8}{'ours':>8}{'over':>8}")
        for case, (plain, ours) in cases.items():
            gated = [str(PROGRAMS / ours[0]), *ours[1:]]
            pairs = [(seconds(plain, env), seconds(gated, env)) for _ in range(rounds + 1)]
            over = statistics.median(b - a for a, b in pairs[1:])
            first, second = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
            print(f"{case:14}{first * 1000:8.0f}{second * 1000:8.0f}{over * 1000:8.0f}")


if __name__ == "__main__":
    main()
