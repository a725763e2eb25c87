"""Keep what fuzzing has found to be new, for the next time: `corpus/NAME.zip`, seeds of the target from then on.

    python tests/fuzz/keep.py FOLDER

FOLDER is `$OPENVET_FUZZ_CORPUS`, a folder for each target. What adds nothing to the seeds and to the rest is left out.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fuzz.seeds import CORPUS, kept_of, seeds_of  # noqa: E402 - the path comes first
from tests.fuzz.targets import REAL, write  # noqa: E402


def merged(name, kept):
    """Return what of a target's inputs is needed to reach all that they and its seeds reach."""
    with tempfile.TemporaryDirectory(prefix=f"keep-{name}-") as folder:
        place = Path(folder)
        for each in (place / "seeds", place / "before", place / "found", place / "tmp"):
            each.mkdir()
        write(seeds_of(name), place / "seeds")
        write(kept_of(name), place / "before")
        again = place / "again"
        again.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/fuzz/targets.py {name} "$@"\n')
        again.chmod(0o700)
        command = [
            str(again),
            *(str(each) for each in (place / "found", place / "seeds", place / "before", kept)),
            "-merge=1",
        ]
        environment = {**os.environ, "TMPDIR": str(place / "tmp"), "OPENVET_FUZZ_SELF": str(again)}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        return sorted({path.read_bytes() for path in (place / "found").iterdir()} - set(seeds_of(name)))


def main():
    CORPUS.mkdir(exist_ok=True)
    for kept in sorted(Path(sys.argv[1]).iterdir()):
        if kept.name not in REAL:
            continue
        found = merged(kept.name, kept)
        with zipfile.ZipFile(CORPUS / f"{kept.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for raw in found:
                archive.writestr(zipfile.ZipInfo(sha256(raw).hexdigest()[:16]), raw, zipfile.ZIP_DEFLATED)
        print(f"{kept.name}: {len(found)} inputs, {sum(map(len, found))} bytes", flush=True)


if __name__ == "__main__":
    main()
