"""T43, T77: SBOMs of strangers are read within bounds, and no word of them goes further than what it is for."""

import json
import tracemalloc

import pytest

from openvet_install.gate import sbom
from tests.support.wheels import make_wheel


@pytest.fixture
def read(tmp_path):
    def reader(texts):
        path = tmp_path / "acme-1.0-py3-none-any.whl"
        files = {f"acme-1.0.dist-info/sboms/{name}": text for name, text in texts.items()}
        path.write_bytes(make_wheel("acme", "1.0", files={"acme.py": "", **files}))
        return [one[1:] for one in sbom.sboms(path)]

    return reader


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"spdxVersion": "SPDX-2.3", "packages": [{}]}, ("SPDX 2.3", 1)),
        ({"spdxVersion": "SPDX-2.3\x1b[2J", "packages": 3}, ("SPDX of an unknown version", None)),
        ({"spdxVersion": "x" * 5000}, ("SPDX of an unknown version", None)),
        ({"bomFormat": "CycloneDX", "specVersion": ["1.6"] * 999}, ("CycloneDX of an unknown version", None)),
        ({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": {"a": 1}}, ("CycloneDX 1.6", None)),
        (["spdxVersion"], ("unknown", None)),
        (None, ("unknown", None)),
    ],
)
def test_what_it_says_of_itself(read, data, told):
    assert read({"a": json.dumps(data)}) == [told]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 100_000, b"\xff\xfe", b"\0" * 1000])
def test_what_is_no_json(read, text):
    assert read({"a": text}) == [("unknown", None)]


def test_how_much_is_read(read):
    large = json.dumps({"spdxVersion": "SPDX-2.3", "comment": " " * sbom.MAX_SBOM_BYTES})
    assert read({"a": large}) == [("unknown", None)]
    most = json.dumps({"spdxVersion": "SPDX-2.3", "comment": " " * (sbom.MAX_SBOM_BYTES - 100)})
    tracemalloc.start()
    found = read({f"{number:02}": most for number in range(8)})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [kind for kind, _ in found].count("SPDX 2.3") == sbom.MAX_READ_BYTES // sbom.MAX_SBOM_BYTES
    assert peak < 100 << 20


def test_how_many_are_read(read):
    assert len(read({str(number): "{}" for number in range(100)})) == sbom.MAX_SBOMS
