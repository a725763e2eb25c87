"""Laws of provenance: a rule never lets more through, a lie beside the truth changes nothing, silence is no yes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from openvet_install.config import Mode, Publisher
from openvet_install.decide import Action, Decision, Need, Reason, ReasonClass, decide
from openvet_install.publishers import Attested, Identity, Provenance, State, judge
from tests.support.evidence import INDEX, NOW, a_file, an_audit, both, rules

ORDER = list(Action)
FILE = a_file("acme-sign")
GITHUB = "https://token.actions.githubusercontent.com"
words = st.sampled_from(["acme", "acme-org", "fork", "a"])
repositories = st.builds("{}/{}".format, words, words)
workflows = st.sampled_from(["release.yml", "evil.yml"])
refs = st.sampled_from(["refs/tags/v1", "refs/heads/main"])
maybe = st.one_of(st.none(), st.sampled_from(["1", "2"]))


def identity(repository, workflow, ref, number):
    path = f"https://github.com/{repository}/.github/workflows/{workflow}@{ref}"
    return Identity(
        issuer=GITHUB, subject=path, repository=f"https://github.com/{repository}", workflow=path, ref=ref,
        owner_id=number,
    )  # fmt: skip


identities = st.builds(identity, repositories, workflows, refs, st.sampled_from(["1", "2"]))
publishers = st.builds(
    Publisher,
    package=st.sampled_from(["acme-sign", "acme-*", "*", "other"]),
    kind=st.just("GitHub"), where=st.just("openvet.toml:1"), required=st.booleans(),
    index=st.sampled_from([None, INDEX, "https://other.example/simple"]),
    repository=repositories, workflow=workflows,
    ref=st.sampled_from([None, "refs/tags/*", "refs/tags/v1"]), owner_id=maybe,
)  # fmt: skip
attested = st.builds(lambda who: Attested(identity=who, predicate="p", logged=NOW, entry=1), identities)
provenances = st.builds(
    lambda found, unreachable: Provenance(attested=tuple(found), unreachable=unreachable and not found),
    st.lists(attested, max_size=3), st.booleans(),
)  # fmt: skip
claims = st.sampled_from([None, {}, {"is-benign": True}, {"is-benign": False}])


def decided(said, bound, provenance, mode):
    evidence = both(an_audit(FILE, said)) if said is not None else {}
    policy = rules(publishers=tuple(bound), mode=mode)
    found = decide(FILE, evidence, [policy], NOW)
    if isinstance(found, Need):
        found = decide(FILE, evidence, [policy], NOW, provenance)
    assert isinstance(found, Decision)
    return found


@given(claims, st.lists(publishers, max_size=3), provenances, st.sampled_from(Mode))
def test_rules_never_let_more_through(said, bound, provenance, mode):
    with_rules, without = decided(said, bound, provenance, mode), decided(said, (), provenance, mode)
    assert ORDER.index(with_rules.action) >= ORDER.index(without.action)


@given(claims, st.lists(publishers, max_size=3), provenances)
def test_what_is_approved_under_a_required_rule_has_verified(said, bound, provenance):
    found = decided(said, bound, provenance, Mode.BLOCK)
    mine = rules(publishers=tuple(bound)).bound_by(FILE.name)
    if found.reason is Reason.APPROVED and any(one.required for one in mine):
        assert found.origin.state is State.VERIFIED


@given(st.lists(publishers, min_size=1, max_size=3), provenances, attested)
def test_an_attestation_more_never_turns_verified_into_less(bound, provenance, more):
    before = judge(bound, FILE, provenance)
    after = judge(bound, FILE, provenance._replace(attested=(more, *provenance.attested)))
    if before.state is State.VERIFIED:
        assert after.state is State.VERIFIED
    if after.state is State.MISSING:
        assert before.state is State.MISSING


@given(publishers, identities)
def test_only_a_certificate_that_says_all_of_it_fits(rule, who):
    found = judge([replace(rule, index=None)], FILE, Provenance(attested=(Attested(who, "p", NOW, 1),)))
    fits = (
        who.repository == f"https://github.com/{rule.repository}"
        and f"/{rule.workflow}@" in who.workflow
        and rule.ref in (None, who.ref, "refs/tags/*" if who.ref.startswith("refs/tags/") else who.ref)
        and rule.owner_id in (None, who.owner_id)
    )
    assert (found.state is State.VERIFIED) == fits


@given(claims, st.lists(publishers, max_size=3), provenances, st.sampled_from(Mode))
def test_a_mismatch_is_a_no_in_every_mode(said, bound, provenance, mode):
    found = decided(said, bound, provenance, mode)
    if found.origin is not None and found.origin.state is State.MISMATCH:
        assert found.action is Action.BLOCK
        assert found.reason.klass is ReasonClass.NO
