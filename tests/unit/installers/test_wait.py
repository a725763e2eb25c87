"""The process that stands beside a program leaves it the signals as they were."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from openvet_install.installers.wait import stand_beside
signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
os._exit(stand_beside("/nowhere", ["grep", "^SigIgn", "/proc/self/status"], os.environb))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("how", ["SIG_DFL", "SIG_IGN", "default_int_handler"])
def test_whether_it_ignores_interruptions(how):
    ended = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    ignored = int(ended.stdout.split()[1], 16)
    assert bool(ignored & 1 << 1) is (how == "SIG_IGN")  # the second bit is that of SIGINT
