"""T20, T33: the files of a project are what they were after a command that did not go well, whatever comes between."""

import os
import signal

import pytest

from openvet_install.errors import ConfigError
from openvet_install.gate import project
from openvet_install.installers import disk

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def files(tmp_path):
    found = [tmp_path / name for name in ("pyproject.toml", "uv.lock", "out.txt")]
    for one in found:
        one.write_text("before")
    return found


class Ended(BaseException):
    pass


def raising(_number, _frame):
    raise Ended


@pytest.fixture(params=NUMBERS, ids=lambda number: number.name)
def ends(request):
    """A signal that ends us, as a wrapper has it."""
    before = {number: signal.signal(number, raising) for number in NUMBERS}
    yield request.param
    for number, handler in before.items():
        signal.signal(number, handler)


def spoil(files):
    for one in files:
        one.write_text("after")


def interrupt(files):
    with project.kept([str(one) for one in files]):
        spoil(files)
        raise KeyboardInterrupt


def replace_by_a_folder(files):
    with project.kept([str(one) for one in files]):
        spoil(files)
        files[0].unlink()
        files[0].mkdir()


def test_a_second_signal_comes_too_late(files, ends, monkeypatch):
    """Two of Ctrl-C: the first ended the command, the second comes while files are put back."""
    real = disk.replace_file

    def interrupted(*words, **options):
        os.kill(os.getpid(), ends)
        real(*words, **options)

    monkeypatch.setattr(disk, "replace_file", interrupted)
    with pytest.raises(Ended):
        interrupt(files)
    assert [one.read_text() for one in files] == ["before"] * 3
    assert signal.getsignal(ends) is raising


def test_what_was_ignored_stays_so(files):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with project.kept([str(one) for one in files]):
            spoil(files)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_one_that_cannot_be_put_back_keeps_no_other(files):
    with pytest.raises(ConfigError, match=r"pyproject\.toml` cannot be put back"):
        replace_by_a_folder(files)
    assert [one.read_text() for one in files[1:]] == ["before"] * 2


def test_other_names_of_a_file_are_names_of_it_still(files):
    other = files[1].with_name("other")
    other.hardlink_to(files[1])
    with project.kept([str(one) for one in files]):
        spoil(files)
    assert other.samefile(files[1])
    assert other.read_text() == "before"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_is_the_same(files):
    os.chown(files[0], 1000, 1000)
    files[0].chmod(0o640)
    with project.kept([str(one) for one in files]):
        spoil(files)
    found = files[0].stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1000, 1000, 0o640)
    assert files[0].read_text() == "before"


def test_where_nothing_can_be_put_beside(files, monkeypatch):
    """A file that is mounted by itself, or lies in a folder that is not ours to write."""

    def refused(*_words, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk, "replace_file", refused)
    with project.kept([str(one) for one in files]):
        spoil(files)
    assert [one.read_text() for one in files] == ["before"] * 3
