"""Lock texts as OpenVet reads them: `vectors.json`, key lock_adapters, kinds uv and pylock."""

from __future__ import annotations

import pytest

from openvet_install.installers.locks import LockError, subjects
from tests.support.vectors import load

CASES = load("lock_adapters")
OURS = [case for case in CASES if case["kind"] in ("uv", "pylock") and case.get("valid")]
REFUSED = [case for case in CASES if not case.get("valid")]


@pytest.mark.parametrize("case", OURS, ids=lambda case: case["name"])
def test_subjects_and_skipped_entries(case):
    found = subjects(case["text"], case["kind"])

    assert [str(subject) for subject in found.subjects] == case["subjects"]
    assert [
        {"name": one.name, "version": one.version, "reason": one.reason}
        | ({} if one.detail is None else {"detail": one.detail})
        for one in found.skipped
    ] == case["skipped"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_refused_texts(case):
    with pytest.raises(LockError):
        subjects(case["text"], case["kind"])


def test_the_vectors_have_what_we_look_for():
    assert len(OURS) >= 3
    assert len(REFUSED) >= 8
