import os
import time

import pytest

from openvet_install.gate import listed
from openvet_install.gate.listed import Pages
from openvet_install.gate.state import Folders

URL, TYPE = "https://index.example/simple/demo/", "application/vnd.pypi.simple.v1+json"


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "cache", tmp_path / "state")


def test_a_page_is_there_for_every_run_until_it_is_over(folders, monkeypatch):
    Pages(folders, ahead=True).put(URL, b"line\n\nline", TYPE, 60)
    assert Pages(folders, ahead=True).find(URL) == (b"line\n\nline", TYPE)
    now = time.time()
    monkeypatch.setattr(listed.time, "time", lambda: now + 61)
    assert Pages(folders, ahead=True).find(URL) is None


def test_a_page_of_another_address_is_none(folders):
    Pages(folders, ahead=True).put(URL, b"{}", TYPE, 60)
    assert Pages(folders, ahead=True).find("https://index.example/simple/other/") is None


def test_a_clock_that_was_set_back_does_not_make_it_young_again(folders, monkeypatch):
    Pages(folders, ahead=True).put(URL, b"{}", TYPE, 60)
    now = time.time()
    monkeypatch.setattr(listed.time, "time", lambda: now - 3600)
    assert Pages(folders, ahead=True).find(URL) is None


def test_pages_that_are_over_are_removed_by_the_next_run_that_keeps_one(folders):
    pages = Pages(folders, ahead=True)
    pages.put(URL, b"{}", TYPE, 60)
    (old,) = (folders.cache / "pages").iterdir()
    os.utime(old, (time.time() - 601, time.time() - 601))
    Pages(folders, ahead=True).put("https://index.example/simple/other/", b"{}", TYPE, 60)
    (left,) = (folders.cache / "pages").iterdir()
    assert left != old


def test_a_page_that_is_too_large_is_not_kept(folders):
    Pages(folders, ahead=True).put(URL, b" " * listed.MAX_PAGE, TYPE, 60)
    assert Pages(folders, ahead=True).find(URL) is None


def test_where_nothing_can_be_written_nothing_is_kept(folders):
    folders.cache.write_text("no folder")
    Pages(folders, ahead=True).put(URL, b"{}", TYPE, 60)
    assert Pages(folders, ahead=True).find(URL) is None
