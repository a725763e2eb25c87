"""T74: the document names its own publisher; only the policy's counts, by what the verified certificate says."""

import json

import pytest

from tests.attack.provenance.conftest import REPOSITORY, RULE, WORKFLOW, reasons
from tests.support.attestations import ISSUER, SigstoreSimulator, provenance
from tests.support.stage import WARN
from tests.support.wheels import make_wheel, wheel_name

PIP = ("openvet-pip", "install", "acme-sign")
UV = ("openvet-uv", "pip", "install", "acme-sign")
TOOLS = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
HONEST = {"kind": "GitHub", "repository": REPOSITORY, "workflow": WORKFLOW}


@TOOLS
def test_a_file_of_the_publisher_is_installed(supply, tool):
    supply.wheel()
    supply.policy()
    ended = supply.stage.run(*tool)
    assert ended.code == 0, ended.err
    (file,) = ended.report["files"]
    assert (file["reason"], file["provenance"]["status"]) == ("approved", "verified")
    assert file["provenance"]["publisher"]["repository"] == REPOSITORY
    assert supply.stage.installed == {"acme_sign": "1.0"}


@pytest.mark.parametrize(
    ("lie", "tool", "text"),
    [
        ({"repository": "acme-fork/acme-sign"}, PIP, None),
        ({"repository": "acme-fork/acme-sign"}, UV, WARN),
        ({"repository": "acme-org/acme-sign-evil"}, UV, None),
        ({"workflow": "evil.yml"}, PIP, WARN),
        ({"issuer": "https://token.actions.example"}, PIP, WARN),
        ({"issuer": ISSUER, "identity": ISSUER}, UV, None),
    ],
)
def test_somebody_else_is_a_mismatch_whatever_the_document_says(supply, lie, tool, text):
    supply.wheel(publisher=HONEST, **lie)
    supply.policy(*(() if text is None else (RULE, text)))
    ended = supply.stage.run(*tool)
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"1.0": "provenance-mismatch"}
    assert supply.stage.installed == {}


NARROW = 'ref = "refs/tags/*"\nrunner = "github-hosted"\nowner-id = 2\nrepository-id = 1\nenvironment = "pypi"\n'


def test_every_key_of_a_rule_counts(supply):
    good = {"environment": "pypi"}
    supply.wheel("1.0", **good)
    supply.wheel("1.1", ref="refs/heads/main", **good)
    supply.wheel("1.2", runner="self-hosted", **good)
    supply.wheel("1.3", owner_id="3", **good)
    supply.wheel("1.4", repository_id="7", **good)
    supply.wheel("1.5")
    supply.policy(RULE + NARROW)
    ended = supply.stage.run(*UV)
    assert ended.code == 0, ended.err
    assert supply.stage.installed == {"acme_sign": "1.0"}
    assert reasons(ended) == dict.fromkeys(("1.1", "1.2", "1.3", "1.4", "1.5"), "provenance-mismatch")


def test_a_sigstore_that_nobody_trusts(supply):
    eve = SigstoreSimulator()
    body = make_wheel("acme-sign", "1.0")
    supply.sigstore, own = eve, supply.sigstore
    filename = wheel_name("acme-sign", "1.0")
    supply.wheel(document=supply.document(filename, body))
    supply.sigstore = own
    supply.policy()
    ended = supply.stage.run(*PIP)
    assert ended.code == 77
    assert reasons(ended) == {"1.0": "provenance-missing"}


def test_a_project_cannot_bring_its_own_root(supply, tmp_path):
    eve = SigstoreSimulator()
    supply.wheel()
    eve.write_root(supply.stage.project / "root.json")
    supply.policy(RULE + 'trust-root = "root.json"\n')
    ended = supply.stage.run(*PIP)
    assert ended.code == 78
    assert "`trust-root` is for machine and user policies" in ended.err


def test_one_bundle_of_several_is_enough_and_lies_beside_it_do_not_matter(supply):
    body = make_wheel("acme-sign", "1.0")
    filename = wheel_name("acme-sign", "1.0")
    good = json.loads(supply.document(filename, body))["attestation_bundles"]
    fork = json.loads(supply.document(filename, body, repository="acme-fork/acme-sign"))["attestation_bundles"]
    broken = json.loads(provenance({"version": 1}))["attestation_bundles"]
    supply.wheel(document=provenance(attestation_bundles=[*broken, *fork, *good]))
    supply.policy()
    ended = supply.stage.run(*UV)
    assert ended.code == 0, ended.err


def test_publishers_over_time_are_alternatives(supply):
    supply.wheel("1.0", repository="acme-org/old")
    supply.wheel("2.0")
    supply.wheel("3.0", repository="acme-fork/acme-sign")
    supply.policy(RULE + RULE.replace(REPOSITORY, "acme-org/old"))
    ended = supply.stage.run(*PIP)
    assert ended.code == 0, ended.err
    assert supply.stage.installed == {"acme_sign": "2.0"}
    assert supply.stage.run(*PIP[:2], "acme-sign==1.0").code == 0


@pytest.mark.parametrize("typed", ["Acme_Sign", "acme.sign", "ACME--SIGN"])
def test_a_rule_holds_for_every_spelling_of_a_name(supply, typed):
    supply.wheel(repository="acme-fork/acme-sign")
    supply.policy(RULE.replace('"acme-sign"', '"Acme.Sign"'))
    ended = supply.stage.run(*PIP[:2], typed)
    assert ended.code == 77
    assert reasons(ended) == {"1.0": "provenance-mismatch"}


@TOOLS
def test_the_sdist_is_no_way_around_the_wheel(supply, tool):
    """T44: in warn mode the silent sdist of a release whose wheel somebody else built would be taken, and run."""
    supply.wheel(claims=None, repository="acme-fork/acme-sign")
    supply.sdist(claims=None, document=b"")
    supply.policy(RULE, WARN)
    ended = supply.stage.run(*tool)
    assert ended.code == 77, ended.err
    assert set(reasons(ended).values()) == {"provenance-mismatch"}
    assert not supply.stage.marker.exists()


@pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
def test_a_built_in_loophole_is_none(supply, tool):
    """A wheel by its path or URL is held to the rule too."""
    filename = supply.wheel(document=b"")
    supply.policy()
    path = supply.stage.folder / filename
    path.write_bytes(supply.stage.index.entries[filename].body)
    for what in (str(path), supply.stage.index.file_url(filename)):
        ended = supply.stage.run(*tool[:-1], what)
        assert ended.code == 77, ended.err
        assert set(reasons(ended).values()) == {"provenance-missing"}
    assert supply.stage.installed == {}


def test_a_dependency_is_held_to_its_rule(supply):
    supply.wheel(repository="acme-fork/acme-sign")
    supply.stage.wheel("app", "1.0", {"is-benign": True}, requires=("acme-sign",))
    supply.policy()
    ended = supply.stage.run("openvet-pip", "install", "app")
    assert ended.code == 77
    assert reasons(ended) == {"1.0": "provenance-mismatch"}
