"""A large log, ours against the real `openvet`: prints seconds, ratios, requests; and what each answer was.

    python tests/bench/make_big_log.py FOLDER
    python tests/bench/bench_log.py FOLDER [--rounds N] [--only check|update|million]

One server on loopback serves both. `check --all-files` of a lock of 572 packages against 200,000 audits, with
a cold and with a warm cache, rounds alternate, answers are compared file by file; `update` over 10,000 commits
whose objects are in the store; one package of a log of a million.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openvet_install.http import Fetcher
from openvet_install.openvet.log import Log
from openvet_install.openvet.pins import Pin, Walked, write_pins, write_walked
from openvet_install.openvet.store import Store
from tests.bench.make_big_log import PROBE
from tests.support.openvet_programs import programs
from tests.support.real_log import read_check
from tests.support.stage import PROGRAMS, make_environment

POLICY = """\
[requirement]
benign = "is-benign"
offline = "uses-exec implies uses-network"

[[override]]
package = "locked-001"
requirements = ["benign"]
"""
LOCKFILE = '[[lockfile]]\nkind = "uv"\npath = "uv.lock"\n\n'
WARM, COLD = 6, 8
COMMITS_PER_SECOND, MEMORY_MB, NODES = 2000, 200, 6


@contextmanager
def served(folder):
    server = Path(__file__).with_name("serve_big_log.py")
    process = subprocess.Popen([sys.executable, server, folder], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def counted(base):
    with urllib.request.urlopen(f"{base}/count") as answer:
        return json.load(answer)


class Bench:
    def __init__(self, folder, place, base):
        self.folder, self.place, self.base = folder, place, base
        self.facts = json.loads((folder / "log.json").read_text("utf-8"))
        self.url = f"{base}/log"
        self.project = place / "project"
        self.project.mkdir()
        self.python = place / "environment" / "bin" / "python"
        make_environment(place / "environment")
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.variables = {
            **keep,
            "HOME": str(place / "home"),
            "NO_COLOR": "1",
            "VIRTUAL_ENV": str(place / "environment"),
        }
        self.variables |= {f"XDG_{name}_HOME": str(place / name.lower()) for name in ("CACHE", "STATE", "CONFIG")}

    def pin(self, head):
        write_pins(self.project / "openvet.lock", {"log": Pin(self.url, head)})
        write_walked(self.project / "openvet-install.lock", {"log": Walked((self.facts["operator"],), head)})

    def policy(self, *, lock):
        head = f'[log.log]\nurl = "{self.url}"\n\n'
        (self.project / "openvet.toml").write_text(head + (LOCKFILE if lock else "") + POLICY, encoding="utf-8")
        (self.project / "uv.lock").unlink(missing_ok=True)
        if lock:
            shutil.copy(self.folder / "uv.lock", self.project)

    def forget(self):
        for name in ("cache", "state"):
            shutil.rmtree(self.place / name, ignore_errors=True)

    def timed(self, *command, expect):
        """Return (seconds, peak MB, stdout) of a process."""
        with tempfile.TemporaryFile() as out:
            began = time.perf_counter()
            process = subprocess.Popen(
                [str(word) for word in command],
                env=self.variables,
                cwd=self.project,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            spent = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            text = out.read().decode()
        if process.returncode not in expect:
            sys.exit(f"{command}: {process.returncode}\n{text[-2000:]}")
        return spent, usage.ru_maxrss / 1024, text

    def theirs(self):
        return self.timed(programs().openvet, "--no-pager", "check", "--verbose", expect=(0, 1))

    def ours(self, *more):
        command = (PROGRAMS / "openvet-install", "check", "--all-files", "--python", self.python, *more)
        return self.timed(*command, expect=(0, 77))


def check(bench, rounds):
    bench.policy(lock=True)
    bench.pin(bench.facts["head"])
    spent = {(who, how): [] for who in ("ours", "theirs") for how in ("cold", "warm")}
    for _ in range(rounds):
        for who in ("theirs", "ours"):
            bench.forget()
            counted(bench.base)
            for how in ("cold", "warm"):
                seconds, megabytes, _ = getattr(bench, who)()
                spent[who, how].append(seconds)
                print(f"  {who} {how}: {seconds:.2f} s, {megabytes:.0f} MB, asked {counted(bench.base)}", flush=True)
    good = compare(bench)
    for how, least in (("cold", COLD), ("warm", WARM)):
        one, two = statistics.median(spent["theirs", how]), statistics.median(spent["ours", how])
        good &= one / two >= least
        print(f"check, {how}: openvet {one:.2f} s, ours {two:.2f} s: {one / two:.1f} x (wanted {least} x)")
    return good


def compare(bench):
    """Hold the answers against each other, file by file; ours may be stricter where a release has a no."""
    theirs = read_check(bench.theirs()[2], 1).verdicts
    report = bench.place / "report.json"
    bench.ours("--report", f"json:{report}")
    told = json.loads(report.read_text("utf-8"))
    judged = {one["subject"].partition("#")[0]: one for one in (*told["files"], *told["withheld"])}
    words = {"approved": "pass", "contradicted": "fail", "not-asserted": "fail", "unaudited": "unaudited"}
    ours = {coordinate: words[one["reason"]] for coordinate, one in judged.items()}
    differs = {
        coordinate for coordinate in ours.keys() | theirs.keys() if ours.get(coordinate) != theirs.get(coordinate)
    }
    no = {
        release(one) for one, verdict in theirs.items() if verdict == "fail" and judged[one]["reason"] == "contradicted"
    }
    stricter = {
        one for one in differs if theirs.get(one) == "unaudited" and ours.get(one) == "fail" and release(one) in no
    }
    print(
        f"  {len(theirs)} files compared: {len(differs - stricter)} differ, "
        f"{len(stricter)} silent ones of releases that have a no"
    )
    return not differs - stricter and len(theirs) == bench.facts["files"]


def release(coordinate):
    return coordinate.partition("?")[0]


def update(bench):
    bench.policy(lock=False)
    bench.forget()
    before, head = bench.facts["before"], bench.facts["head"]
    command = (PROGRAMS / "openvet-install", "update")
    told = []
    for how in ("fetching", "fetched", "fetched"):
        bench.pin(before)
        seconds, megabytes, text = bench.timed(*command, expect=(0,))
        told.append((seconds, megabytes))
        commits = int(re.search(r"verified (\d+) new commit", text)[1])
        assert head[:12] in text
        print(f"  update, {how}: {commits} commits in {seconds:.2f} s, {megabytes:.0f} MB", flush=True)
    idle, _, text = bench.timed(*command, expect=(0,))
    assert "nothing new" in text
    seconds, megabytes = min(told[1:])[0], max(one for _, one in told)
    rate = commits / seconds
    alone = commits / (seconds - idle)
    print(f"update: {rate:.0f} commits/s, {alone:.0f} without its start (wanted {COMMITS_PER_SECOND})")
    print(f"update: at most {megabytes:.0f} MB (wanted {MEMORY_MB} MB)")
    return rate >= COMMITS_PER_SECOND and megabytes <= MEMORY_MB


def million(bench):
    facts = json.loads((bench.folder / "tree.json").read_text("utf-8"))
    counts = []
    store = bench.place / "million"
    for _ in range(2):
        with Fetcher(environ={}) as fetcher, Store(store) as kept:
            log = Log("tree", f"{bench.base}/tree", fetcher=fetcher, store=kept)
            counted(bench.base)
            assert log.by_digest(facts["head"]) is None
            audits = log.package(facts["head"], PROBE)
            counts.append(counted(bench.base).get("node", 0))
            assert len(audits) == 40
    cold, warm = counts
    keyset = 1
    print(
        f"a package of 40 audits among {facts['entries']}: {cold - keyset} nodes cold, {warm} warm (wanted {NODES}, 0)"
    )
    return cold - keyset <= NODES and not warm


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("check", "update", "million"))
    arguments = parser.parse_args()
    parts = {"million": million, "update": update, "check": lambda bench: check(bench, arguments.rounds)}
    good = True
    with tempfile.TemporaryDirectory(prefix="bench-log-") as name, served(arguments.folder) as base:
        bench = Bench(arguments.folder, Path(name), base)
        for part, run in parts.items():
            if arguments.only in (None, part):
                good &= run(bench)
    sys.exit(not good)


if __name__ == "__main__":
    main()
