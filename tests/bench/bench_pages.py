"""How long the gateway needs for a large index page: parsed whole, parsed for one wanted hash, rendered.

python tests/bench/bench_pages.py [--files N]
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openvet_install.gateway.pages import HTML_TYPE, JSON_TYPE, parse_page, render_html, render_json

URL = "https://index.example/simple/a/"
ROUNDS = 9


def body_of(count):
    files = ",".join(
        f'{{"filename":"a-1.{n}-py3-none-any.whl","url":"https://files.example/{n}/a-1.{n}-py3-none-any.whl",'
        f'"hashes":{{"sha256":"{n:064x}"}},"size":1,"upload-time":"2024-01-01T00:00:00.123456Z","yanked":false}}'
        for n in range(count)
    )
    return f'{{"meta":{{"api-version":"1.1"}},"name":"a","files":[{files}]}}'.encode()


def median(work):
    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=3700)
    count = parser.parse_args().files
    body = body_of(count)
    page = parse_page(body, JSON_TYPE, URL, index="i")
    html = render_html(page)
    one = {f"{7:064x}"}
    print(f"{count} files, {len(body) / 1e6:.1f} MB of JSON, medians of {ROUNDS} in milliseconds")
    rows = {
        "JSON, all files": lambda: parse_page(body, JSON_TYPE, URL, index="i"),
        "JSON, one wanted hash": lambda: parse_page(body, JSON_TYPE, URL, index="i", wanted=lambda _: one),
        "HTML, all files": lambda: parse_page(html, HTML_TYPE, URL, index="i"),
        "rendered as JSON": lambda: render_json(page),
    }
    for name, work in rows.items():
        print(f"{name:24}{median(work):6.1f}")


if __name__ == "__main__":
    main()
