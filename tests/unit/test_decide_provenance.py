from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from openvet_install.config import Exemption, Mode
from openvet_install.decide import Action, Decision, Need, Reason, decide
from openvet_install.publishers import Attested, Identity, Provenance, State
from openvet_install.settle import settle
from tests.support.evidence import INDEX, NOW, a_file, an_audit, both, rules
from tests.unit.test_publishers import RULE, WHO

YES, NO = {"is-benign": True}, {"is-benign": False}
GOOD = Provenance(attested=(Attested(identity=WHO, predicate="p", logged=NOW, entry=1),))
EVE = Identity(issuer="https://evil.example", subject="eve")
BAD = Provenance(attested=(Attested(identity=EVE, predicate="p", logged=NOW, entry=1),))
NONE = Provenance()
FILE = a_file("acme-sign")


def outcome(provenance, *, claims=YES, file=FILE, rule=RULE, **settings):
    evidence = both(an_audit(file, claims)) if claims is not None else {}
    found = decide(file, evidence, [rules(publishers=(rule,), **settings)], NOW, provenance)
    assert isinstance(found, Decision)
    return found.action, found.reason


def needs(*, claims=YES, file=FILE, rule=RULE, **settings):
    evidence = both(an_audit(file, claims)) if claims is not None else {}
    return isinstance(decide(file, evidence, [rules(publishers=(rule,), **settings)], NOW), Need)


@pytest.mark.parametrize("mode", Mode)
def test_what_an_audit_approves_is_held_to_its_provenance(mode):
    silent = (Action.BLOCK if mode is Mode.BLOCK else Action.WARN, Reason.PROVENANCE_MISSING)
    assert outcome(GOOD, mode=mode) == (Action.ALLOW, Reason.APPROVED)
    assert outcome(BAD, mode=mode) == (Action.BLOCK, Reason.PROVENANCE_MISMATCH)
    assert outcome(NONE, mode=mode) == silent


@pytest.mark.parametrize("mode", Mode)
def test_what_need_not_have_provenance_must_not_have_somebody_elses(mode):
    rule = replace(RULE, required=False)
    assert outcome(NONE, rule=rule, mode=mode) == (Action.ALLOW, Reason.APPROVED)
    assert outcome(BAD, rule=rule, mode=mode) == (Action.BLOCK, Reason.PROVENANCE_MISMATCH)


@pytest.mark.parametrize("claims", [None, {}])
def test_provenance_is_no_audit(claims):
    for provenance in (GOOD, NONE, BAD):
        assert outcome(provenance, claims=claims)[0] is Action.BLOCK
    assert outcome(GOOD, claims=claims, mode=Mode.WARN)[0] is Action.WARN


def test_only_what_lacks_nothing_else_is_looked_at():
    assert needs()
    assert not needs(claims=None)
    assert not needs(claims=NO, mode=Mode.WARN)
    assert needs(claims=None, mode=Mode.WARN)
    assert not needs(claims=None, mode=Mode.WARN, cooldown=timedelta(days=3))
    assert not needs(file=a_file("acme-sign", tag="sdist"), sdists="never")
    assert not needs(file=a_file("other"))
    assert not needs(file=a_file("acme-sign", sha256=None), claims=None, mode=Mode.WARN)


def test_a_no_of_an_audit_stays_its_own_reason():
    for provenance in (GOOD, NONE, BAD):
        assert outcome(provenance, claims=NO, mode=Mode.WARN) == (Action.BLOCK, Reason.CONTRADICTED)


def exemption(**more):
    known = {"package": "acme-sign", "version": None, "index": None, "hashes": frozenset({FILE.sha256}), "sdist": False}
    return Exemption(**known, audit=None, owner="o", reason="r", until=date(2027, 1, 1), where="w", **more)


def test_an_exemption_forgives_silence_and_never_a_mismatch():
    exemptions = (exemption(),)
    assert outcome(NONE, exemptions=exemptions) == (Action.ALLOW, Reason.EXEMPT)
    assert outcome(NONE, claims=None, exemptions=exemptions) == (Action.ALLOW, Reason.EXEMPT)
    assert outcome(BAD, exemptions=exemptions) == (Action.BLOCK, Reason.PROVENANCE_MISMATCH)
    assert needs(claims=None, exemptions=exemptions)


def test_another_index_is_a_no_without_any_look():
    bound = replace(RULE, index="https://libraries.example/simple", required=False)
    for claims, mode in ((YES, Mode.BLOCK), (None, Mode.WARN), (None, Mode.BLOCK)):
        evidence = both(an_audit(FILE, claims)) if claims is not None else {}
        found = decide(FILE, evidence, [rules(publishers=(bound,), mode=mode)], NOW)
        assert (found.action, found.reason) == (Action.BLOCK, Reason.PROVENANCE_MISMATCH)
    assert needs(rule=replace(bound, index=INDEX))


def test_a_cooldown_holds_what_has_no_provenance():
    young = a_file("acme-sign", uploaded=NOW - timedelta(days=1))
    settings = {"mode": Mode.WARN, "cooldown": timedelta(days=3)}
    assert outcome(NONE, file=young, **settings) == (Action.BLOCK, Reason.TOO_YOUNG)
    assert outcome(GOOD, file=young, **settings) == (Action.ALLOW, Reason.APPROVED)


def two(project, machine):
    evidence = {scope: both(an_audit(FILE, YES))["project"] for scope in ("project", "machine")}
    return evidence, [rules(scope="machine", publishers=machine), rules(publishers=project)]


def test_every_policy_asks_for_itself():
    private = replace(RULE, trust_root=Path("/root.json"))
    evidence, both_rules = two((RULE,), (private,))
    need = decide(FILE, evidence, both_rules, NOW)
    assert need.roots == {None, Path("/root.json")}
    assert decide(FILE, evidence, both_rules, NOW, GOOD).reason is Reason.PROVENANCE_MISSING
    evidence, one = two((), (RULE,))
    assert decide(FILE, evidence, one, NOW).roots == {None}
    found = decide(FILE, evidence, one, NOW, GOOD)
    assert (found.action, found.origin.state) == (Action.ALLOW, State.VERIFIED)
    evidence, other = two((RULE,), ())
    assert decide(FILE, evidence, other, NOW, GOOD).origin.state is State.VERIFIED


def test_nothing_is_fetched_for_what_another_policy_blocks():
    _evidence, both_rules = two((RULE,), ())
    found = decide(FILE, {"project": both(an_audit(FILE, YES))["project"]}, both_rules, NOW)
    assert (found.action, found.reason) == (Action.BLOCK, Reason.UNAUDITED)


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.RECORD])
def test_a_mismatch_speaks_against_the_silent_files_of_its_release(mode):
    policy = rules(publishers=(RULE,), mode=mode)
    wheel, sdist, older = FILE, a_file("acme-sign", tag="sdist", sha256="cd" * 32), a_file("acme-sign", "0.9")
    first = decide(wheel, {}, [policy], NOW, BAD)
    rest = [decide(one, {}, [policy], NOW, NONE) for one in (sdist, older)]
    found = settle([first, *rest], [policy])
    assert [one.reason for one in found] == [Reason.PROVENANCE_MISMATCH, Reason.PROVENANCE_MISMATCH, Reason.UNAUDITED]
    verified = decide(sdist, both(an_audit(sdist, YES)), [policy], NOW, GOOD)
    assert settle([first, verified], [policy])[1].reason is Reason.APPROVED


def test_a_file_on_the_wrong_index_speaks_against_no_other():
    bound = rules(publishers=(replace(RULE, index=INDEX),), mode=Mode.WARN)
    wrong = decide(replace(FILE, index="https://other.example/simple"), {}, [bound], NOW)
    right = decide(a_file("acme-sign", sha256="cd" * 32), {}, [bound], NOW, NONE)
    assert wrong.reason is Reason.PROVENANCE_MISMATCH
    assert settle([wrong, right], [bound])[1].reason is Reason.UNAUDITED
