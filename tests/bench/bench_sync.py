"""An up-to-date `openvet-uv sync` with nothing to do against plain `uv sync`, pairs in turn; prints medians.

    python tests/bench/bench_sync.py [--rounds N] [--requirements NAME…]

The index is the one that pip is configured with; a throw-away log approves every file that the lock could install.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openvet_install.files import parse_filename, variant_of
from openvet_install.installers.locks import read_lock
from tests.bench.bench_install import timed
from tests.support.logsim import LogSimulator, write_project
from tests.support.stage import BENIGN, PROGRAMS

PROJECT = '[project]\nname = "bench"\nversion = "1"\nrequires-python = ">=3.11,<3.12"\ndependencies = {}\n'
PACKAGES = ["sphinx", "celery", "boto3", "aiohttp", "django"]


def seconds(command, env, cwd):
    return timed(command, env, cwd)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--requirements", nargs="+", default=PACKAGES)
    parser.add_argument("--instead", nargs="+", help="after the set-up run this in the project, not the rounds")
    arguments = parser.parse_args()
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_FIND", "OPENVET", "VIRTUAL_ENV", "UV_CACHE"))}
    with tempfile.TemporaryDirectory() as name, LogSimulator() as logs:
        folder = Path(name)
        env = keep | {f"XDG_{one}_HOME": str(folder / one.lower()) for one in ("CACHE", "STATE", "CONFIG")}
        project = folder / "project"
        project.mkdir()
        (project / "pyproject.toml").write_text(PROJECT.format(arguments.requirements), encoding="utf-8")
        plain, gated = ([str(PROGRAMS / tool), "sync", "-q"] for tool in ("uv", "openvet-uv"))
        seconds([plain[0], "lock", "-q"], env, project)
        log = logs.log("bench")
        for package in read_lock(project / "uv.lock").packages:
            for file in package.files:
                named, version, _tags = parse_filename(file.filename)
                variant = variant_of(file.filename)
                log.publish(named, version, variant=variant, sha256=file.sha256, claims={"is-benign": True})
        write_project(project, [log], BENIGN)
        seconds(gated, env, project)
        if arguments.instead:
            sys.exit(subprocess.run(arguments.instead, env=env, cwd=project, check=False).returncode)
        pairs = [(seconds(plain, env, project), seconds(gated, env, project)) for _ in range(arguments.rounds + 1)][1:]
        packages = len(list((project / ".venv").glob("lib/*/site-packages/*.dist-info")))
        files = sum(len(names) for _, _, names in os.walk(project / ".venv"))
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    over = statistics.median(b - a for a, b in pairs)
    print(f"{packages} packages, {files} files, {arguments.rounds} rounds, medians in milliseconds")
    print(f"plain {first * 1000:.0f}, ours {second * 1000:.0f}, {over * 1000:.0f} more (wanted 150)")


if __name__ == "__main__":
    main()
