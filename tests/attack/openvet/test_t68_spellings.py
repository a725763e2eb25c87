"""T68: a no is found by the bytes it is about, in a large log too, under a subject that its text cannot spell."""

import pytest

from openvet_install.decide import Reason
from openvet_install.openvet.subject import TaggedHash
from tests.support.knowing import NO, YES

CHANGES = {
    "a # in the name": {"package": "evil#thing"},
    "a ? in the version": {"version": "1.0?x"},
    "an @ in the version": {"version": "1@2"},
    "an @ in the variant": {"variant": "py3@none"},
    "a : in the registry": {"registry": "py:pi"},
    "no name": {"package": ""},
    "no version": {"version": ""},
    "no registry": {"registry": ""},
    "no variant": {"variant": None},
    "another registry": {"registry": "npm"},
    "line ends": {"package": "evil\n\r\x85thing"},
    "capitals": {"package": "EVIL-thing"},
    "text that is no ASCII": {"package": "\u0435vil-thing"},
}


@pytest.mark.parametrize("size", ["small log", "large log"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_no_under_any_subject(project, alice, change, size, monkeypatch):
    if size == "large log":
        monkeypatch.setattr("openvet_install.openvet.evidence.ENTRIES_READ_WHOLE", 0)
        monkeypatch.setattr("openvet_install.openvet.evidence._MANY_HIGH_KEYS", -1)
        monkeypatch.setattr("openvet_install.openvet.evidence._HIGH_RANK", 0)
    good = alice.publish("evil-thing", "1.0", claims=YES)
    project.pin(alice)
    alice.insert(good._replace(**CHANGES[change]), claims=NO)
    assert project.reason(good) is Reason.CONTRADICTED


@pytest.mark.parametrize("written", ["Evil-thing", "Evil-Thing", "Evil_Thing"])
def test_a_no_under_the_pin_of_a_large_log_that_was_walked_elsewhere(project, alice, written, monkeypatch):
    """The pin came with the project, so that no walk of this machine has seen the subjects."""
    monkeypatch.setattr("openvet_install.openvet.evidence.ENTRIES_READ_WHOLE", 0)
    monkeypatch.setattr("openvet_install.openvet.evidence._MANY_HIGH_KEYS", -1)
    monkeypatch.setattr("openvet_install.openvet.evidence._HIGH_RANK", 0)
    good = alice.publish("evil-thing", "1.0", claims=YES)
    alice.insert(good._replace(package=written), claims=NO)
    project.pin(alice)
    assert project.reason(good) is Reason.CONTRADICTED


def test_the_tag_of_a_hash_may_be_in_capitals(project, alice):
    good = alice.publish("evil", "1.0", claims=YES)
    project.pin(alice)
    alice.insert(good._replace(version="2", hash=TaggedHash.parse(f"SHA256:{good.sha256}")), claims=NO)
    assert project.reason(good) is Reason.CONTRADICTED
