"""T30, T14, T38: two processes of ours look at files; a build of the same user wins nothing by the second."""

import shutil
import subprocess
import sys

import pytest

from openvet_install.installers import looker
from tests.support.attacks import UV, backend
from tests.support.stage import YES

FILES = looker.WORTH_IT + 100
TAMPER = """
import os, pathlib, sys, time
above, pid = set(), os.getpid()
while pid:
    above.add(str(pid))
    pid = int(pathlib.Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[1])
ours = []
for place in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        command = (place / "cmdline").read_text().split(chr(0))
    except OSError:
        continue
    if len(command) > 5 and command[3].endswith("/look.py") and command[5] in above:
        ours.append(int(place.name))
open({noted!r}, "w").write(str(len(ours)))
for pid in ours if {signal} else ():
    os.kill(pid, {signal})
cache = pathlib.Path(FOLDER, "cache/openvet-install/uv")
end = time.monotonic() + 30
while not (found := list(cache.glob("*/archive-v0/*/many/m{last}.py"))) and time.monotonic() < end:
    time.sleep(0.05)
found[0].with_name("m{number}.py").write_text("EVIL = 1" + chr(10))
"""


@pytest.mark.parametrize("number", [7, 8])
@pytest.mark.parametrize("signal", [0, 9, 19], ids=["left", "killed", "stopped"])
def test_a_build_changes_a_file_of_many_and_ends_or_stops_the_second_process(stage, signal, number):
    noted = stage.folder / "noted"
    code = TAMPER.format(noted=str(noted), signal=signal, number=number, last=FILES - 1)
    stage.wheel("many", "1.0", YES, files={f"many/m{one}.py": f"N = {one}\n" for one in range(FILES)})
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code))
    stage.policy()
    ended = stage.run(*UV, "many", "source")
    assert noted.read_text() == "1"
    assert (ended.code, stage.installed) == (65, {"source": "1.0"}), ended.err
    assert f"`many/m{number}.py` is not the released one" in ended.err


READ = """
import subprocess, sys
from contextlib import closing
from openvet_install.installers.looker import Looker
control = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
with closing(Looker()) as looker:
    looker.start()
    looker.stamps("/nowhere")()
    for pid in (control.pid, looker._process.pid):
        try:
            open(f"/proc/{pid}/mem", "rb").close()
            print("open")
        except PermissionError:
            print("closed")
control.kill()
"""


def test_no_other_process_of_the_user_writes_into_it():
    """The memory of an ordinary process of the same user is open; capabilities, which root has, would open any."""
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    bare = [setpriv, "--bounding-set=-all", "--inh-caps=-all"]
    ended = subprocess.run([*bare, sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["open", "closed"]
