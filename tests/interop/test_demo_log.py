"""The log that `openvet-install demo` ships, read by the real `openvet` from a plain file server."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

import openvet_install
from tests.support.real_log import serve_folder

pytestmark = pytest.mark.interop

DEMO = Path(openvet_install.__file__).parent / "demo"


def test_update_takes_it_and_check_says_what_the_demo_expects(server, tmp_path):
    demo = tomli.loads((DEMO / "demo.toml").read_text(encoding="utf-8"))
    unaudited = f"pypi:docopt@0.6.2?sdist#sha256:{'0' * 64}"
    lock = ['lock-version = "1.0"\ncreated-by = "a test"\n']
    for subject in [audit["subject"] for audit in demo["audit"]] + [unaudited]:
        coordinate, _, digest = subject.removeprefix("pypi:").partition("#sha256:")
        name, _, rest = coordinate.partition("@")
        version, _, variant = rest.partition("?")
        kind = "sdist" if variant == "sdist" else "wheels"
        filename = f"{name}-{version}.tar.gz" if variant == "sdist" else f"{name}-{version}-{variant}.whl"
        file = f'{{ url = "https://files.example/{filename}", hashes = {{ sha256 = "{digest}" }} }}'
        value = file if kind == "sdist" else f"[{file}]"
        lock.append(f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{kind} = {value}\n')
    with serve_folder(DEMO) as url:
        policy = [f'[log.demo]\nurl = "{url}"', '[[lockfile]]\nkind = "pylock"\npath = "pylock.toml"', "[requirement]"]
        policy += [f'{name} = "{condition}"' for name, condition in demo["requirement"].items()]
        (tmp_path / "openvet.toml").write_text("\n".join(policy), encoding="utf-8")
        (tmp_path / "pylock.toml").write_text("".join(lock), encoding="utf-8")
        told = server.update(tmp_path)
        checked = server.check(tmp_path)

    assert demo["log"]["head"][:12] in told
    assert checked.verdicts == {
        "pypi:toposort@1.9?py3-none-any": "pass",
        "pypi:ntplib@0.4.0?py2.py3-none-any": "fail",
        "pypi:docopt@0.6.2?sdist": "unaudited",
    }
    assert checked.requirements["pypi:ntplib@0.4.0?py2.py3-none-any"] == {"offline": "contradicted"}
