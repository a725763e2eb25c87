"""What carrying an audit costs for a wheel of 9 MB: both files opened and compared, against opening one of them.

python -m tests.bench.bench_carry
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from openvet_install.archive import open_archive
from openvet_install.archive.same import compare
from tests.support.wheels import make_wheel


def main() -> None:
    dice = random.Random(1)
    words = [bytes(dice.choices(b"abcdefghijklmnop_ \n", k=8)) for _ in range(5000)]
    files = {f"x/m{number}.py": b"".join(dice.choices(words, k=12_000)) for number in range(200)}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"x-1.0-{tag}.whl") for tag in ("py3-none-any", "py2-none-any")]
        for path in paths:
            path.write_bytes(make_wheel("x", "1.0", files=files, tag=path.stem.split("-", 2)[2]))
        started = time.perf_counter()
        first = open_archive(paths[0], paths[0].name)
        one = time.perf_counter() - started
        found = compare(first, open_archive(paths[1], paths[1].name))
        both = time.perf_counter() - started
        size = paths[0].stat().st_size / 1e6
    print(f"{size:.1f} MB: opened in {one:.2f} s, carried in {both:.2f} s ({both / one:.1f} times); {found}")


if __name__ == "__main__":
    main()
