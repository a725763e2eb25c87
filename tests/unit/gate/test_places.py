"""A run waits for another one in the same folders, and says so."""

import io
import threading

from openvet_install.cli import progress
from openvet_install.cli.progress import Progress
from openvet_install.gate.places import target_of
from openvet_install.report.terminal import Terminal


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_who_waits_for_another_run_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FIRST_AFTER_SECONDS", 0.0)
    root, waits = str(tmp_path / "site"), threading.Event()
    screen = Screen()
    shown = Progress(screen, Terminal.of(screen, {"COLUMNS": "500"}))

    class Watch:
        def waits(self, where):
            shown.waits(where)
            waits.set()

        waited = staticmethod(shown.waited)

    def second():
        with target_of([root], tmp_path / "targets", Watch()):
            pass

    with target_of([root], tmp_path / "targets"):
        run = threading.Thread(target=second)
        run.start()
        assert waits.wait(30)
    run.join()
    said = screen.getvalue().split("\r")
    assert said[1] == f"openvet: waiting for another run in {root}"
    assert said[-2].strip() == ""


def test_who_need_not_wait_says_nothing(tmp_path):
    screen = Screen()
    with target_of([str(tmp_path)], tmp_path / "targets", Progress(screen, Terminal.of(screen, {}))):
        assert screen.getvalue() == ""
