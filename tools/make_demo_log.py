"""Makes the small signed log that `openvet-install demo` ships: `python -m tools.make_demo_log`.

Run it from the root of a checkout. It needs the real `openvet` and `openvet-server` (see
tests/support/openvet_programs.py), ssh-keygen, and the public index through pip. The key that signs is made for
this one run and goes with its temporary folder, so that nobody can ever add to the log. Every claim is
about files that were read for it; change a version here only after reading it too.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from openvet_install.files import parse_filename, variant_of
from tests.support.real_log import RealServer

DEMO = Path(__file__).resolve().parent.parent / "openvet_install" / "demo"
NAME = "demo"
MAX_BYTES = 200_000
NOTE = "Made by tools/make_demo_log.py with the real OpenVet programs. Do not edit: make it anew."
NOTHING = ("has-binaries", "has-build-exec", "has-install-exec", "uses-exec", "uses-filesystem", "uses-environment")


@dataclass(frozen=True)
class Audited:
    """A file that was read, and what is true of it."""

    filename: str
    sha256: str
    claims: dict[str, bool]
    summary: str
    report: str


AUDITS = (
    Audited(
        filename="toposort-1.9-py3-none-any.whl",
        sha256="9f434c815e1bd2f9ad05152b6b0071b1f56e288c107869708f2463ec932e2637",
        claims={
            "is-benign": True,
            **dict.fromkeys(NOTHING, False),
            "uses-network": False,
            "uses-concurrency": False,
            "impl-algorithm": True,
        },
        summary="Read for the demo of openvet-install: one module that sorts, with no effects.",
        report=(
            "Read for the demo of openvet-install. The wheel holds one module, `toposort.py`, of 94 lines. It imports "
            "`reduce` from `functools` and nothing else, computes on the dictionary that it is given and "
            "opens no file, process or connection. Whether the algorithm is right was not tested."
        ),
    ),
    Audited(
        filename="ntplib-0.4.0-py2.py3-none-any.whl",
        sha256="8d27375329ed7ff38755f7b6d4658b28edc147cadf40338a63a0da8133469d60",
        claims={
            "is-benign": True,
            **dict.fromkeys(NOTHING, False),
            "uses-network": True,
            "uses-concurrency": False,
            "impl-protocol": True,
        },
        summary="Read for the demo of openvet-install: a client of NTP, so it uses the network when it is called.",
        report=(
            "Read for the demo of openvet-install. The wheel holds one module, `ntplib.py`. `NTPClient.request` looks "
            "a host name up (line 296), opens a UDP socket (line 300) and sends and receives one packet (lines 313 and "
            "following), which is what the package is for. Nothing happens on import. It imports `datetime`, `socket`, "
            "`struct` and `time`. How well it treats hostile answers was not looked at."
        ),
    ),
)

CASES = (
    {
        "tool": "pip",
        "requirement": "toposort",
        "package": "toposort",
        "version": "1.9",
        "expect": "held-back",
        "exit": 0,
    },
    {
        "tool": "pip",
        "requirement": "ntplib",
        "package": "ntplib",
        "version": "0.4.0",
        "expect": "contradicted",
        "exit": 77,
    },
    {"tool": "uv", "requirement": "docopt", "package": "docopt", "version": "0.6.2", "expect": "unaudited", "exit": 77},
)


def main() -> int:
    """Write `openvet_install/demo/`, replacing what is there; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder, RealServer(Path(folder) / "server") as server:
        log = server.log(NAME)
        for audit in AUDITS:
            file = download(audit, Path(folder))
            log.publish(file, audit.claims, summary=audit.summary, report=audit.report)
        shutil.rmtree(DEMO, ignore_errors=True)
        DEMO.mkdir()
        log.export(DEMO)
        (DEMO / "demo.toml").write_text(describe(log.fingerprint, log.head()), encoding="utf-8")
    size = sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file())
    sys.stdout.write(f"{DEMO}: {size} bytes\n")
    return 0 if size <= MAX_BYTES else 1


def download(audit: Audited, folder: Path) -> Path:
    """Fetch one file with pip and check its hash."""
    name, version, _ = parse_filename(audit.filename)
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{name}=={version} --hash=sha256:{audit.sha256}\n", encoding="utf-8")
    command: list[str | Path] = [
        "download",
        "-q",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "-d",
        folder,
        "-r",
        requirement,
    ]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)  # noqa: S603 - our own arguments only
    file = folder / audit.filename
    if hashlib.sha256(file.read_bytes()).hexdigest() != audit.sha256:
        raise SystemExit(f"{file.name} is not the file that was read")
    return file


def describe(operator: str, head: str) -> str:
    """Return the text of demo.toml."""
    document = tomlkit.document()
    document.add(tomlkit.comment(NOTE))
    document["log"] = {"name": NAME, "operators": [operator], "head": head, "commits": len(AUDITS) + 1}
    document["requirement"] = {"benign": "is-benign", "offline": "not uses-network"}
    audits = tomlkit.aot()
    for audit in AUDITS:
        name, version, _ = parse_filename(audit.filename)
        subject = f"pypi:{name}@{version}?{variant_of(audit.filename)}#sha256:{audit.sha256}"
        audits.append(tomlkit.item({"subject": subject, "filename": audit.filename, "claims": audit.claims}))
    document["audit"] = audits
    cases = tomlkit.aot()
    for case in CASES:
        cases.append(tomlkit.item(dict(case)))
    document["case"] = cases
    return tomlkit.dumps(document)


if __name__ == "__main__":
    sys.exit(main())
