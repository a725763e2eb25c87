"""T73: nothing verified must not read as verified. T76: the wrong thing attested, or fetched."""

import hashlib
import json

import pytest

from tests.attack.provenance.conftest import RULE, reasons
from tests.support.attestations import PUBLISH, provenance
from tests.support.indexsim import IndexSimulator, Reply
from tests.support.stage import WARN, YES
from tests.support.wheels import make_wheel, wheel_name

PIP = ("openvet-pip", "install", "acme-sign")
UV = ("openvet-uv", "pip", "install", "acme-sign")
NAME = wheel_name("acme-sign", "1.0")
BODY = make_wheel("acme-sign", "1.0")


def missing(supply, tool=UV):
    ended = supply.stage.run(*tool)
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"1.0": "provenance-missing"}
    assert supply.stage.installed == {}
    return ended


@pytest.mark.parametrize(
    "document",
    [b"null", b"[]", b"{}", b'{"version": 1, "attestation_bundles": []}', provenance(), b"[" * 900_000, b"<html>"],
    ids=["null", "list", "empty", "no bundle", "no attestation", "deep", "html"],
)
def test_a_document_that_attests_nothing(supply, document):
    supply.wheel(document=document)
    supply.policy()
    missing(supply)


def test_a_document_that_does_not_end(supply):
    supply.wheel(document=b" " * (9 << 20))
    supply.policy()
    assert "larger than 1048576 bytes" in missing(supply).err


def test_the_key_of_a_page_that_is_null_or_nonsense(supply):
    for number, value in enumerate((None, False, 5, [], "", "file:///etc/passwd", "javascript:1", "https://[::")):
        supply.wheel(f"1.{number}", document=b"")
        supply.stage.index.entries[wheel_name("acme-sign", f"1.{number}")].extra["provenance"] = value
    supply.policy()
    ended = supply.stage.run(*UV)
    assert ended.code == 77
    assert set(reasons(ended).values()) == {"provenance-missing"}


def test_a_damaged_signature(supply):
    found = json.loads(supply.document(NAME, BODY))
    envelope = found["attestation_bundles"][0]["attestations"][0]["envelope"]
    envelope["signature"] = envelope["signature"][:-8] + "AAAAAAA="
    supply.wheel(document=json.dumps(found).encode())
    supply.policy()
    missing(supply)


def test_the_provenance_of_another_file(supply):
    other = make_wheel("acme-sign", "2.0")
    supply.wheel(document=supply.document(wheel_name("acme-sign", "2.0"), other))
    supply.policy()
    assert "it attests acme_sign-2.0-py3-none-any.whl" in missing(supply).err


def test_the_provenance_of_the_same_bytes_under_another_name(supply):
    supply.wheel(document=supply.document(wheel_name("evil", "1.0"), BODY))
    supply.policy()
    missing(supply)


def test_the_provenance_of_the_honest_bytes_of_this_name(supply):
    """The audit is of the bytes that are served, the provenance of others under the same name."""
    supply.wheel(document=supply.document(NAME, BODY + b"x"))
    supply.policy()
    missing(supply)


def test_a_signed_statement_that_tells_of_no_build(supply):
    attestation = supply.attest(NAME, BODY, predicate_type="https://slsa.dev/provenance/v1", predicate=None)
    supply.wheel(document=provenance(attestation))
    supply.policy()
    assert "tells of no build" in missing(supply).err


def test_the_publish_attestation_is_enough(supply):
    supply.wheel(document=provenance(supply.attest(NAME, BODY, predicate_type=PUBLISH, predicate=None)))
    supply.policy()
    assert supply.stage.run(*UV).code == 0


def test_warn_mode_forgives_that_there_is_none(supply):
    supply.wheel(document=b"")
    supply.policy(RULE, WARN)
    ended = supply.stage.run(*UV)
    assert ended.code == 0, ended.err
    (file,) = ended.report["files"]
    assert (file["decision"], file["reason"]) == ("warn", "provenance-missing")


def test_what_is_not_required_may_be_absent(supply):
    supply.wheel("1.0", document=b"")
    supply.wheel("2.0", repository="acme-fork/acme-sign")
    supply.policy(RULE + "required = false\n")
    ended = supply.stage.run(*UV)
    assert ended.code == 0, ended.err
    assert supply.stage.installed == {"acme_sign": "1.0"}
    assert reasons(ended) == {"2.0": "provenance-mismatch"}


# -- out of reach


def down(path, status=503):
    return lambda _number, asked: Reply(status, {}, b"") if asked == path else None


@pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
def test_an_index_that_does_not_answer_is_undecided(supply, tool):
    supply.wheel("1.0")
    supply.wheel("2.0")
    supply.policy()
    index = supply.stage.index
    index.lies.at_request = down(index.provenance_path(wheel_name("acme-sign", "2.0")))
    ended = supply.stage.run(*tool)
    assert ended.code == 69, ended.err
    assert "the provenance of acme_sign-2.0-py3-none-any.whl is out of reach" in ended.err
    assert supply.stage.installed == {}


def test_out_of_reach_is_silence_where_the_policy_says_so(supply):
    supply.wheel()
    supply.policy(RULE, WARN)
    index = supply.stage.index
    index.lies.at_request = down(index.provenance_path(NAME))
    ended = supply.stage.run(*UV)
    assert ended.code == 0, ended.err
    assert ended.report["files"][0]["reason"] == "provenance-missing"


def test_a_document_for_people_who_log_in(supply):
    supply.wheel()
    supply.policy()
    index = supply.stage.index
    index.lies.at_request = down(index.provenance_path(NAME), 401)
    ended = supply.stage.run(*UV)
    assert ended.code == 69
    assert "asks for a login" in ended.err


# -- hosts


@pytest.fixture
def elsewhere():
    with IndexSimulator() as other:
        yield other


def test_a_foreign_host_is_not_asked(supply, elsewhere):
    """T34, T76: the page's key is a stranger's wish to have something asked."""
    elsewhere.add(BODY, filename=NAME, provenance=supply.document(NAME, BODY))
    supply.wheel(document=b"")
    supply.stage.index.entries[NAME].extra["provenance"] = elsewhere.origin + elsewhere.provenance_path(NAME)
    supply.policy()
    assert "not asked for its provenance" in missing(supply).err
    assert elsewhere.requests == []


def test_a_redirect_to_a_foreign_host_is_not_followed(supply, elsewhere):
    elsewhere.add(BODY, filename=NAME, provenance=supply.document(NAME, BODY))
    supply.wheel()
    path = supply.stage.index.provenance_path(NAME)
    supply.stage.index.lies.redirect[path] = elsewhere.origin + path
    supply.policy()
    assert "not followed" in missing(supply).err
    assert elsewhere.requests == []


def test_the_address_of_a_document_is_not_passed_on(supply):
    """The gateway would not answer there: the child must not learn of it."""
    supply.wheel()
    supply.policy()
    ended = supply.stage.run("openvet-pip", "install", "-v", "acme-sign")
    assert ended.code == 0
    assert "/integrity/" not in ended.err + ended.out


# -- what is kept


def test_a_kept_document_is_verified_again(supply):
    supply.wheel()
    supply.policy()
    assert supply.stage.run(*UV).code == 0
    (kept,) = (supply.stage.folder / "cache" / "openvet-install" / "provenance").iterdir()
    assert kept.name == hashlib.sha256(BODY).hexdigest()
    assert len(supply.asked()) == 1
    supply.stage.run("openvet-uv", "pip", "uninstall", "acme-sign")
    assert supply.stage.run(*UV).code == 0
    assert len(supply.asked()) == 1
    index = supply.stage.index
    index.lies.at_request = down(index.provenance_path(NAME), 404)
    kept.write_bytes(supply.document(wheel_name("acme-sign", "2.0"), BODY))
    supply.stage.run("openvet-uv", "pip", "uninstall", "acme-sign")
    assert supply.stage.run(*UV).code == 77


def test_a_kept_document_of_somebody_else_is_asked_for_again(supply):
    """A restored cache could hold an older document, or a fork's."""
    supply.wheel()
    supply.policy()
    folder = supply.stage.folder / "cache" / "openvet-install" / "provenance"
    folder.mkdir(parents=True)
    fork = supply.document(NAME, BODY, repository="acme-fork/acme-sign")
    (folder / hashlib.sha256(BODY).hexdigest()).write_bytes(fork)
    assert supply.stage.run(*UV).code == 0


def test_what_verified_before_and_no_longer_fits_is_refused(supply):
    """T29: the policy changed, the cache of the tool and ours are warm."""
    supply.wheel()
    supply.policy()
    assert supply.stage.run(*UV).code == 0
    supply.policy(RULE.replace("acme-org/", "acme-new/"))
    supply.stage.run("openvet-uv", "pip", "uninstall", "acme-sign")
    ended = supply.stage.run(*UV)
    assert ended.code == 77
    assert reasons(ended) == {"1.0": "provenance-mismatch"}


# -- how much is asked


def test_of_forty_files_only_those_that_fit_are_asked_for(supply):
    for number in range(20):
        supply.wheel(f"1.{number}", tag="cp39-cp39-win_amd64")
        supply.wheel(f"1.{number}", tag="py3-none-any", claims=YES if number == 7 else None)
    supply.policy()
    ended = supply.stage.run(*UV)
    assert ended.code == 0, ended.err
    assert supply.stage.installed == {"acme_sign": "1.7"}
    assert len(supply.asked()) == 1


def test_without_a_rule_nothing_is_asked(supply):
    supply.wheel()
    supply.policy("")
    assert supply.stage.run(*UV).code == 0
    assert supply.asked() == []


def test_an_index_that_names_no_document_is_asked_at_its_integrity_path(supply):
    supply.wheel()
    supply.stage.index.lies.provenance = False
    supply.policy()
    assert supply.stage.run(*UV).code == 0
    assert len(supply.asked()) == 1


@pytest.mark.parametrize("relative", [False, True])
def test_an_html_page_names_documents_too(supply, relative):
    supply.wheel()
    supply.stage.index.lies.html = True
    supply.stage.index.lies.relative = relative
    supply.policy()
    assert supply.stage.run(*PIP).code == 0
    assert len(supply.asked()) == 1
