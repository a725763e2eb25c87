"""What provenance costs: verifying one file, and an install of one file that a publisher rule binds.

python tests/bench/bench_provenance.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openvet_install.provenance import verify
from tests.attack.provenance.conftest import RULE, Supply
from tests.support.attestations import SigstoreSimulator, real
from tests.support.stage import YES, stage

ROUNDS = 20
RUNS = 5


def spent(work, rounds):
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def verifying():
    imported = spent(lambda: subprocess.run([sys.executable, "-c", "import sigstore.verify"], check=True), 3)
    bare = spent(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 3)
    print(f"import of sigstore.verify        {imported - bare:7.1f} ms, once, where a rule asks")
    for kind, one in real().items():
        work = partial(verify, one.document, filename=one.filename, sha256=one.sha256, roots=[None])
        work()
        took = spent(work, ROUNDS)
        print(f"verify one file, {kind:8}        {took:7.1f} ms")


def installing():
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as found:
        supply = Supply(found, SigstoreSimulator())
        for number in range(20):
            supply.wheel(f"1.{number}", tag="cp39-cp39-win_amd64")
            supply.wheel(f"1.{number}", claims=YES if number == 7 else None)
        uv = ("openvet-uv", "pip", "install", "--reinstall", "acme-sign")
        for name, rules in (("no rule", ""), ("a rule", RULE)):
            supply.policy(rules)
            found.run(*uv)
            print(f"page of 40 files, {name:8}       {spent(lambda: found.run(*uv), RUNS):7.1f} ms")
        print(f"documents asked for, first run   {len(supply.asked()):7}")


if __name__ == "__main__":
    verifying()
    installing()
