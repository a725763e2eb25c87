"""Coverage-guided fuzzing of the decoders with atheris.

    python tests/fuzz/run.py [--seconds N] [--jobs N] [NAME…]

Each target runs for N seconds from the seeds and from `$OPENVET_FUZZ_CORPUS/NAME` if that folder is named (new
inputs are kept there); an input that breaks a promise is printed with its bytes in hex and the exit code is 1.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fuzz.targets import NAMES, REAL, seeds, write  # noqa: E402 - the path comes first

MEMORY_MB = 2048
SLOW_SECONDS = 10
MAX_BYTES = 32768


def fuzz(name, seconds):
    """Run one target; return (name, words, whether something was found)."""
    corpus = os.environ.get("OPENVET_FUZZ_CORPUS")
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as folder:
        place = Path(folder)
        kept = Path(corpus) / name if corpus else place / "kept"
        for each in (kept, place / "seeds", place / "found", place / "tmp"):
            each.mkdir(parents=True, exist_ok=True)
        write(seeds(name), place / "seeds")
        command = [
            sys.executable, str(ROOT / "tests" / "fuzz" / "targets.py"), name, str(kept), str(place / "seeds"),
            f"-max_total_time={seconds}", f"-artifact_prefix={place / 'found'}/", f"-rss_limit_mb={MEMORY_MB}",
            f"-timeout={SLOW_SECONDS}", f"-max_len={MAX_BYTES}", "-print_final_stats=1",
        ]  # fmt: skip
        environment = {**os.environ, "TMPDIR": str(place / "tmp")}
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        told = ended.stdout + ended.stderr
        runs = re.search(r"number_of_executed_units: (\d+)", told)
        coverage = re.findall(r"cov: (\d+)", told)
        words = f"{name}: {runs[1] if runs else '?'} inputs, coverage {coverage[-1] if coverage else '?'}"
        inputs = sorted((place / "found").iterdir())
        if ended.returncode or inputs:
            shown = "\n".join(f"  {path.name}: {path.read_bytes().hex()}" for path in inputs)
            return name, f"{words}\n{_tail(told)}\n{shown}", True
        return name, words, False


def _tail(told):
    """Return the part of the output that says what happened."""
    start = max(told.find("=== Uncaught"), told.find("==ERROR"), told.find("Traceback"), 0)
    return told[start : start + 4000] if start else told[-3000:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", metavar="NAME", nargs="*", choices=[*NAMES, []], default=[])
    arguments = parser.parse_args()
    failed = False
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for _, words, found in pool.map(lambda name: fuzz(name, arguments.seconds), arguments.names or REAL):
            print(("FOUND " if found else "") + words, flush=True)
            failed |= found
    sys.exit(failed)


if __name__ == "__main__":
    main()
