import io
import os
import signal
from contextlib import closing
from hashlib import sha256

import pytest

from openvet_install.installers import look, looker
from openvet_install.installers.looker import Looker


@pytest.fixture
def files(tmp_path):
    (tmp_path / "deep").mkdir()
    paths = [tmp_path / "deep" / f"é\udc80{number}" for number in range(looker.WORTH_IT + 1)]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" * number)
    (tmp_path / "link").symlink_to("nowhere")
    return [*map(str, paths), str(tmp_path / "link"), str(tmp_path / "missing")]


@pytest.fixture(params=["two", "killed", "stopped", "silent", "never started"])
def eyes(request, monkeypatch):
    with closing(Looker()) as found:
        if request.param != "never started":
            found.start()
        if request.param == "killed":
            os.kill(found._process.pid, signal.SIGKILL)
        if request.param == "stopped":
            os.kill(found._process.pid, signal.SIGSTOP)
        if request.param == "silent":
            found._socket.settimeout(0.01)
        yield found


def test_content_is_that_of_each_file(eyes, files):
    expected = {path: sha256(b"x" * number).hexdigest() for number, path in enumerate(files[:-2])}
    assert eyes.content(files) == expected | dict.fromkeys(files[-2:])


def test_a_few_files_are_not_worth_asking(eyes, files):
    assert eyes.content(files[:2]) == {}


def test_stamps_may_be_waited_for_later(eyes, files, tmp_path):
    first = eyes.stamps(str(tmp_path))
    content = eyes.content(files)
    second = eyes.stamps(str(tmp_path / "missing"))
    assert first() == look.stamps_digest(str(tmp_path)) != second()
    assert (first(), len(content)) == (look.stamps_digest(str(tmp_path)), len(files))


def test_questions_may_come_at_once(eyes, files, tmp_path):
    """All are there before the first is answered."""
    for _ in range(20):
        answers = [eyes.stamps(str(tmp_path)) for _ in range(3)]
        assert {answer() for answer in answers} == {look.stamps_digest(str(tmp_path))}


@pytest.mark.parametrize("moment", ["in the middle of an answer", "before it"])
def test_it_ends_while_we_wait(tmp_path, moment):
    with closing(Looker()) as eyes:
        eyes.start()
        eyes.stamps(str(tmp_path))()
        os.kill(eyes._process.pid, signal.SIGSTOP)
        answer = eyes.stamps(str(tmp_path))
        os.kill(eyes._process.pid, signal.SIGKILL)
        eyes._process.wait()
        if moment == "in the middle of an answer":
            with closing(eyes._answers):
                eyes._answers = io.BufferedReader(io.BytesIO(look.frame(b"0" * 64)[:-10]))
        assert answer() == look.stamps_digest(str(tmp_path))


def test_a_folder_may_be_foreseen_once(eyes, tmp_path):
    eyes.foresee(str(tmp_path))
    before = eyes.foreseen(str(tmp_path))()
    assert before == look.stamps_digest(str(tmp_path))
    (tmp_path / "new").write_text("")
    for again in (eyes.foreseen, eyes.stamps):
        assert again(str(tmp_path))() == look.stamps_digest(str(tmp_path)) != before


def test_stamps_change_with_any_file(tmp_path):
    (tmp_path / "one").write_text("1")
    before = look.stamps_digest(str(tmp_path))
    status = (tmp_path / "one").stat()
    (tmp_path / "one").write_text("2")
    os.utime(tmp_path / "one", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert look.stamps_digest(str(tmp_path)) != before


def test_it_ends_with_us():
    with closing(Looker()) as eyes:
        eyes.start()
        pid = eyes._process.pid
        assert os.getsid(pid) == pid  # Ctrl-C in a terminal is not for it
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
