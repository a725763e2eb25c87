"""T75, T76: an audit that carries answers who has read it, never who built it. T74: the caller's workflow counts."""

import hashlib

import pytest

from tests.attack.provenance.conftest import REPOSITORY, RULE, TAG, WORKFLOW, reasons
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_wheel, wheel_name

UV = ("openvet-uv", "pip", "install", "acme-sign")
CARRY = BENIGN + 'carry = "content"\n'
OLD = "py2-none-any"


@pytest.fixture
def audited(supply):
    """Of 1.0 another wheel with the same content was read, and has the provenance of the right publisher."""
    body = make_wheel("acme-sign", "1.0", tag=OLD)
    name = wheel_name("acme-sign", "1.0", OLD)
    supply.stage.index.add(body, filename=name, provenance=supply.document(name, body))
    supply.stage._audit("acme-sign", "1.0", OLD, body, YES)
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("who", "reason"),
    [({}, "carried"), ({"document": b""}, "provenance-missing"),
     ({"repository": "acme-fork/acme-sign"}, "provenance-mismatch"), ({"workflow": "evil.yml"}, "provenance-mismatch")],
)  # fmt: skip
def test_a_carried_file_needs_a_builder_of_its_own(supply, audited, who, reason):
    supply.wheel(claims=None, **who)
    supply.policy(RULE, CARRY)
    ended = supply.stage.run(*UV)
    if reason == "carried":
        assert ended.code == 0, ended.err
        (file,) = ended.report["files"]
        assert (file["reason"], file["provenance"]["status"]) == (reason, "verified")
        assert file["requirements"][0]["audits"][0]["carried"].endswith(audited)
    else:
        assert ended.code == 77, ended.err
        assert reasons(ended) == {"1.0": reason}
        assert supply.stage.installed == {}


def test_the_document_of_the_audited_file_is_not_its_twin_s(supply, audited):
    body = make_wheel("acme-sign", "1.0", tag=OLD)
    supply.wheel(claims=None, document=supply.document(wheel_name("acme-sign", "1.0", OLD), body))
    supply.policy(RULE, CARRY)
    ended = supply.stage.run(*UV)
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"1.0": "provenance-missing"}


OURS = f"https://github.com/{REPOSITORY}/.github/workflows/{WORKFLOW}@{TAG}"
THEIRS = "https://github.com/acme-shared/workflows/.github/workflows/build.yml@refs/heads/main"


def test_a_workflow_that_ours_calls_signs_for_ours(supply):
    """The subject of the certificate is the workflow that is called; run and repository are the caller's."""
    body = make_wheel("acme-sign", "1.0")
    supply.wheel(document=supply.document(wheel_name("acme-sign", "1.0"), body, identity=THEIRS, claims={9: THEIRS}))
    supply.policy()
    assert supply.stage.run(*UV).code == 0


def test_whoever_calls_our_workflow_does_not_sign_for_us(supply):
    body = make_wheel("acme-sign", "1.0")
    name = wheel_name("acme-sign", "1.0")
    theirs = supply.document(name, body, repository="evil/caller", identity=OURS, claims={9: OURS})
    supply.wheel(document=theirs)
    supply.policy()
    ended = supply.stage.run(*UV)
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"1.0": "provenance-mismatch"}


@pytest.mark.parametrize(
    "repository", ["ACME-org/acme-sign", "acme-org/Acme-Sign", "acme-org/acme-sign/", "acme-org/acme-sign.git"]
)
def test_a_repository_that_is_written_otherwise_is_another_one(supply, repository):
    supply.wheel(repository=repository)
    supply.policy()
    ended = supply.stage.run(*UV)
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"1.0": "provenance-mismatch"}


@pytest.mark.parametrize("ref", ["refs/heads/refs/tags/v1", "refs/tagsv1", "refs/heads/main\nrefs/tags/v1", ""])
def test_a_ref_that_only_looks_like_one_of_the_pattern(supply, ref):
    supply.wheel(ref=ref)
    supply.policy(RULE + 'ref = "refs/tags/*"\n')
    ended = supply.stage.run(*UV)
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"1.0": "provenance-mismatch"}
