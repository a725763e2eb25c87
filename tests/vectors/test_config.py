from datetime import date

import pytest

from openvet_install.config import Guard, parse_guard, read_policy
from openvet_install.errors import InstallError
from openvet_install.openvet.pins import read_pins
from tests.support.vectors import load
from tests.vectors.differences import ours


@pytest.mark.parametrize("case", load("config")["openvet.toml"], ids=lambda case: case["name"])
def test_openvet_toml_is_read_as_openvet_reads_it(case, tmp_path):
    path = tmp_path / "openvet.toml"
    path.write_bytes(bytes.fromhex(case["hex"]) if "hex" in case else case["text"].encode())
    if ours("openvet.toml", case["name"], "taken" if case["accepted"] else "refused") == "taken":
        read_policy("project", path, date(2026, 11, 23))
    else:
        with pytest.raises(InstallError) as caught:
            read_policy("project", path, date(2026, 11, 23))
        assert caught.value.exit_code == 78
        assert caught.value.where is not None
        assert "openvet.toml" in caught.value.where


@pytest.mark.parametrize("case", load("config")["openvet.lock"], ids=lambda case: case["name"])
def test_openvet_lock_is_read_as_openvet_reads_it(case, tmp_path):
    path = tmp_path / "openvet.lock"
    path.write_text(case["text"], encoding="utf-8")
    if case["accepted"]:
        assert all(pin.head == pin.head.lower() for pin in read_pins(path).values())
        return
    with pytest.raises(InstallError) as caught:
        read_pins(path)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("case", load("config")["user config"], ids=lambda case: case["name"])
def test_the_user_file_is_read_as_openvet_reads_it(case):
    raw = case["text"].encode()
    if case["accepted"]:
        guard = parse_guard(raw, "config.toml")
        assert guard == (Guard(strict=True, exclude=("~/src",)) if case["name"] == "guard" else Guard())
        return
    with pytest.raises(InstallError) as caught:
        parse_guard(raw, "config.toml")
    assert caught.value.exit_code == 78


def test_every_file_of_the_vectors_is_covered():
    assert load("config").keys() == {"openvet.toml", "openvet.lock", "user config"}
