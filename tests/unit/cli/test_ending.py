import errno
import subprocess
import sys

import pytest

PROGRAM = """
import importlib._bootstrap, signal, sys, time
from openvet_install.cli import ending

class Frame:
    class f_code:
        co_filename = sys.argv[1]

def command():
    ending._raise(signal.SIGINT, Frame)
    sys.stdout.write("went on\\n")
    sys.stdout.flush()
    time.sleep(30)

ending.guarded(command)
"""


def ended(filename):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, filename], capture_output=True, text=True, timeout=20, check=False
    )


def test_an_interruption_is_raised_at_once():
    found = ended("openvet_install/x.py")
    assert (found.returncode, found.stdout) == (-2, "")


def test_in_the_middle_of_an_import_it_is_raised_a_moment_later():
    found = ended("<frozen importlib._bootstrap>")
    assert (found.returncode, found.stdout) == (-2, "went on\n")


CLASS = """
import os, signal, sys
from openvet_install.cli import ending

class Slow:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), int(sys.argv[1]))

def command():
    class Made:
        field = Slow()

ending.guarded(command)
"""


@pytest.mark.parametrize("number", [2, 15])
def test_it_comes_while_a_class_is_made(number):
    """Python up to 3.11 makes another exception of it."""
    command = [sys.executable, "-c", CLASS, str(number)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (found.returncode, found.stderr) == (-number, "")


def test_a_folder_that_is_gone_is_told(tmp_path):
    program = "from openvet_install.cli import ending; raise SystemExit(ending.guarded(lambda: 0))"
    command = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", sys.executable, "-c", program]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert found.returncode == 64
    assert "is not there any more" in found.stderr
    assert "Traceback" not in found.stderr


FULL = """
import os, sys
from openvet_install.cli import ending

def command():
    raise OSError(int(sys.argv[1]), "no room", "/here")

raise SystemExit(ending.guarded(command))
"""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_what_cannot_be_written_for_want_of_room_is_told(number):
    ended = subprocess.run([sys.executable, "-c", FULL, str(number)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (78, "error: cannot be written: no room\n  --> /here\n")


NOWHERE = """
import sys, tempfile
from openvet_install.cli import ending

tempfile._candidate_tempdir_list = lambda: ["/proc/none"]

raise SystemExit(ending.guarded(tempfile.mkdtemp))
"""
NAMELESS = FULL.replace(', "/here"', "")


def test_what_cannot_be_written_anywhere_is_told():
    ended = subprocess.run([sys.executable, "-c", NOWHERE], capture_output=True, text=True, check=False)
    assert ended.returncode == 78
    first, hint = ended.stderr.splitlines()
    assert first.startswith("error: no folder for temporary files: No usable temporary directory found")
    assert hint == "hint: export TMPDIR=/a/folder/with/room"


def test_a_full_disk_that_has_no_name_is_looked_for():
    ended = subprocess.run(
        [sys.executable, "-c", NAMELESS, str(errno.ENOSPC)], env={"TMPDIR": "/there"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.stderr == "error: cannot be written: no room\nhint: df -h . ~ /there    says what is full\n"
