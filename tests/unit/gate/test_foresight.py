import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from openvet_install.archive import open_archive
from openvet_install.decide import Action, Decision, Reason
from openvet_install.files import File
from openvet_install.gate.foresight import Foresight
from openvet_install.gateway.blobs import BlobStore
from tests.support.wheels import make_wheel, wheel_name

MARKERS = {"python_version": "3.11", "sys_platform": "linux"}
INDEX = "https://index.example/simple"


class Ahead:
    """What a run gives to foresight; `pages` are the URLs that were asked for early."""

    def __init__(self, folder, *requested, resolution=None):
        self.blobs = BlobStore(folder / "files")
        self.pages = []
        target = SimpleNamespace(environment=MARKERS, tags=["py3-none-any"], version=(3, 11, 7))
        asked = [SimpleNamespace(requirement=Requirement(one), source=None) for one in requested]
        index = SimpleNamespace(url=INDEX + "/")
        plan = SimpleNamespace(indexes=[index], target=target, requested=asked, resolution=resolution)
        self.foresight = Foresight(plan, self, self, self.blobs)
        self.foresight.start()

    def prefetch(self, urls):
        self.pages += urls

    def contents(self, blob, filename):
        return open_archive(blob.path, filename)

    def wheel(self, name, version, requires=(), *, stored=True, shown=True):
        filename = wheel_name(name, version)
        raw = make_wheel(name, version, requires=requires)
        blob = self.blobs.add([raw])
        if not stored:
            blob.path.unlink()
        file = File(
            name=name, version=version, filename=filename, url=f"{INDEX}/{filename}", index=INDEX, sha256=blob.sha256
        )
        return Decision(file=file, action=Action.ALLOW if shown else Action.BLOCK, reason=Reason.APPROVED)

    def judged(self, name, *decisions):
        self.foresight.judged(name, decisions)
        for thread in threading.enumerate():
            if thread.name == "openvet-into":
                thread.join()


@pytest.fixture
def ahead(tmp_path):
    return Ahead(tmp_path, "good<2", 'win; sys_platform == "win32"')


def page(name):
    return f"{INDEX}/{name}/"


def test_what_was_typed_is_asked_for_where_its_marker_holds(ahead):
    assert ahead.pages == [page("good")]


def test_where_a_lock_is_made_nothing_is_asked_for_before_the_tool_asks(tmp_path):
    ahead = Ahead(tmp_path, "good<2", "fine", resolution=object())
    assert ahead.pages == []
    ahead.judged("good", ahead.wheel("good", "1.1", ["next>1"]))
    assert ahead.pages == [page("good"), page("fine"), page("next")]
    ahead.judged("fine", ahead.wheel("fine", "1.0"))
    assert ahead.pages == [page("good"), page("fine"), page("next")]


def test_a_stored_file_tells_what_comes_next(ahead):
    old = ahead.wheel("good", "1.0", ["old"])
    best = ahead.wheel("good", "1.1", ["next>1", 'not-here; sys_platform == "win32"'])
    beyond = ahead.wheel("good", "2.0", ["beyond"])
    ahead.judged("good", old, best, beyond)
    assert ahead.pages == [page("good"), page("next")]


def test_nothing_is_fetched_hidden_files_are_not_opened_and_nobody_elses_pages_count(ahead):
    ahead.judged("good", ahead.wheel("good", "1.0", ["a"], stored=False))
    ahead.judged("good", ahead.wheel("good", "1.1", ["b"], shown=False))
    ahead.judged("other", ahead.wheel("other", "1.0", ["c"]))
    assert ahead.pages == [page("good")]


def test_a_damaged_file_is_left_to_those_who_ask_for_it(ahead):
    decision = ahead.wheel("good", "1.0", ["next"])
    blob = ahead.blobs.add([b"no zip"])
    damaged = decision._replace(file=replace(decision.file, sha256=blob.sha256))
    ahead.judged("good", damaged)
    assert ahead.pages == [page("good")]
