"""Where the console scripts begin."""

import signal
import subprocess
import sys

import pytest

INTERRUPTED = """
import os, signal, sys

module, name = sys.argv.pop(1), sys.argv.pop(1)

class Interrupting:
    def find_spec(self, wanted, *_):
        if wanted == "openvet_install.cli." + module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from openvet_install.cli import entry
getattr(entry, name)()
"""


@pytest.mark.parametrize(("module", "name"), [("manage", "manage"), ("wrap", "pip"), ("wrap", "uv")])
def test_ctrl_c_while_we_are_loaded_says_nothing(module, name):
    command = [sys.executable, "-I", "-c", INTERRUPTED, module, name, "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_an_interruption_that_is_ignored_stays_so():
    ignoring = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + INTERRUPTED
    command = [sys.executable, "-I", "-c", ignoring, "manage", "manage", "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
