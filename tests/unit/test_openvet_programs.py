"""The real programs are found, or their absence is an error in clear words: never a silent skip."""

from __future__ import annotations

import pytest

from tests.support import openvet_programs
from tests.support.openvet_programs import ProgramsMissingError, not_wanted


@pytest.fixture
def fresh(monkeypatch):
    openvet_programs.programs.cache_clear()
    yield monkeypatch
    openvet_programs.programs.cache_clear()


def fake(folder, version):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("openvet", "openvet-server"):
        (folder / name).write_text(f"#!/bin/sh\necho openvet {version}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def test_the_named_folder_comes_first(fresh, tmp_path):
    fresh.setenv("OPENVET_BIN", str(fake(tmp_path / "named", "0.6.0")))
    fresh.setenv("PATH", str(fake(tmp_path / "path", "0.6.0")))

    assert openvet_programs.programs().openvet == tmp_path / "named" / "openvet"


def test_then_path_then_the_cache(fresh, tmp_path):
    fresh.delenv("OPENVET_BIN", raising=False)
    fresh.setattr(openvet_programs, "CACHE", tmp_path / "cache")
    cached = fake(tmp_path / "cache" / "bin", "0.6.0")
    fresh.setenv("PATH", str(tmp_path / "empty"))
    assert openvet_programs.programs().server == cached / "openvet-server"

    openvet_programs.programs.cache_clear()
    fresh.setenv("PATH", f"{fake(tmp_path / 'path', '0.6.0')}")
    assert openvet_programs.programs().server == tmp_path / "path" / "openvet-server"


def test_a_named_folder_without_them_is_an_error(fresh, tmp_path):
    fresh.setenv("OPENVET_BIN", str(tmp_path))

    with pytest.raises(ProgramsMissingError, match="cargo install"):
        openvet_programs.programs()


def test_nowhere_is_an_error_that_says_how(fresh, tmp_path):
    fresh.delenv("OPENVET_BIN", raising=False)
    fresh.setenv("PATH", str(tmp_path))
    fresh.setattr(openvet_programs, "CACHE", tmp_path / "cache")

    with pytest.raises(ProgramsMissingError, match="OPENVET_BIN"):
        openvet_programs.programs()


def test_another_version_is_an_error(fresh, tmp_path):
    fresh.setenv("OPENVET_BIN", str(fake(tmp_path, "0.7.0")))

    with pytest.raises(ProgramsMissingError, match=r"`openvet 0\.7\.0`, wanted is 0\.6\.0"):
        openvet_programs.programs()


@pytest.mark.parametrize(
    ("said", "ci", "expected"), [("0", "", True), ("0", "true", False), ("1", "", False), ("", "", False)]
)
def test_only_a_person_may_leave_them_out(fresh, said, ci, expected):
    fresh.setenv("OPENVET_INTEROP", said)
    fresh.setenv("CI", ci)

    assert not_wanted() is expected
