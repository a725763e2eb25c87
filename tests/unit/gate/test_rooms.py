"""Folders of one run alone."""

import pytest

from openvet_install.errors import UndecidedError
from openvet_install.gate import rooms


def test_a_name_that_another_run_has_for_a_moment_is_left_to_it(tmp_path, monkeypatch):
    """Whoever looks for what was left locks every file that it finds, ours too before we have it."""
    real, taken = rooms.lock, []

    def busy(path):
        taken.append(path)
        return None if len(taken) < 3 else real(path)

    monkeypatch.setattr(rooms, "lock", busy)
    with rooms.room(tmp_path / "rooms") as mine:
        assert mine.path.with_suffix(".lock") == taken[2]
        assert not mine.is_used
    assert len(set(taken)) == 3
    assert list((tmp_path / "rooms").iterdir()) == []


def test_without_any_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "lock", lambda _path: None)
    with pytest.raises(UndecidedError), rooms.room(tmp_path / "rooms"):
        pass
