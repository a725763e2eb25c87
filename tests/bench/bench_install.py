"""A gated install of a few packages against plain pip and plain uv, in the same run; prints medians and ratios.

    python tests/bench/bench_install.py [--rounds N] [--requirements FILE]

The index is the one that pip is configured with; a throw-away log approves exactly what the plain tools
take. Rounds alternate plain and gated, isolation is off, our store is warm.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openvet_install.files import filename_of, parse_filename, variant_of
from tests.support.logsim import LogSimulator, write_project
from tests.support.stage import BENIGN, PROGRAMS, make_environment

CHILD = re.compile(r"^child (\d+\.\d+)$", re.MULTILINE)
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def timed(command, env, cwd):
    began = time.perf_counter()
    ended = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    whole = time.perf_counter() - began
    if ended.returncode:
        sys.exit(f"{command}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return whole, ended.stderr


def approve(log, requirements, env, folder):
    """Publish an audit of every file that pip would install now."""
    report = folder / "pip.json"
    command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", str(report)]
    subprocess.run([*command, *requirements], env=env, check=True)
    for item in json.loads(report.read_text())["install"]:
        filename = filename_of(item["download_info"]["url"])
        name, version, _tags = parse_filename(filename)
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        log.publish(name, version, variant=variant_of(filename), sha256=digest, claims={"is-benign": True})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requirements", nargs="+", default=["flask==3.1.3"])
    arguments = parser.parse_args()
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_FIND", "OPENVET", "VIRTUAL_ENV"))}
    with tempfile.TemporaryDirectory() as name, LogSimulator() as logs:
        folder = Path(name)
        log = logs.log("bench")
        approve(log, arguments.requirements, keep, folder)
        project = write_project(folder / "project", [log], BENIGN)
        env = keep | {f"XDG_{one}_HOME": str(folder / one.lower()) for one in ("CACHE", "STATE", "CONFIG")}
        env |= {"OPENVET_INSTALL_TIMINGS": "1"}
        env.pop("UV_CACHE_DIR", None)
        uv = str(PROGRAMS / "uv")
        cases = {
            "pip": (
                [sys.executable, "-m", "pip", "--python", "{python}", "install", "-q", "--no-cache-dir"],
                [str(PROGRAMS / "openvet-pip"), "install", "-q"],
            ),
            "uv cold": (
                [uv, "pip", "install", "-q", "--no-cache"],
                [str(PROGRAMS / "openvet-uv"), "pip", "install", "-q"],
            ),
            "uv warm": ([uv, "pip", "install", "-q"], [str(PROGRAMS / "openvet-uv"), "pip", "install", "-q"]),
        }
        print(f"{len(log.history) - 1} packages, {arguments.rounds} rounds, medians in seconds")
        print(f"{'':10}{'plain':>8}{'child':>8}{'ratio':>8}{'fixed':>8}{'peak MB':>9}")
        for case, (plain, gated) in cases.items():
            measure(case, plain, gated, arguments, env, project, folder)


def measure(case, plain, gated, arguments, env, project, folder):
    plains, children, fixed, peaks = [], [], [], []
    for number in range(arguments.rounds + 1):
        seconds, _ = once(plain, arguments.requirements, env, project, folder, f"{case}-p{number}".replace(" ", ""))
        if case == "uv cold":
            subprocess.run(["rm", "-rf", str(folder / "cache" / "openvet-install" / "uv")], check=True)
        whole, said = once(gated, arguments.requirements, env, project, folder, f"{case}-g{number}".replace(" ", ""))
        child = float(CHILD.search(said)[1])
        if number:  # the first round warms every store
            plains.append(seconds)
            children.append(child)
            fixed.append(whole - child)
            peaks.append(int(PEAK.search(said)[1]) / 1024)
    ratio = statistics.median(c / p for c, p in zip(children, plains, strict=True))
    print(
        f"{case:10}{statistics.median(plains):8.3f}{statistics.median(children):8.3f}{ratio:8.2f}"
        f"{statistics.median(fixed):8.3f}{max(peaks):9.0f}"
    )


def once(command, requirements, env, project, folder, name):
    environment = folder / name
    make_environment(environment)
    python = environment / "bin" / "python"
    words = [word.format(python=python) for word in command]
    return timed([*words, *requirements], env | {"VIRTUAL_ENV": str(environment)}, project)


if __name__ == "__main__":
    main()
