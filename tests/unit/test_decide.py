from datetime import date, timedelta

import pytest

from openvet_install.config import Exemption, Mode
from openvet_install.decide import Action, Evidence, Reason, ReasonClass, decide
from openvet_install.settle import settle
from tests.support.evidence import INDEX, NOW, SHA, a_file, an_audit, both, rules

YES, NO, OTHER = {"is-benign": True}, {"is-benign": False}, {"uses-network": True}


def reason_of(evidence, *, file=None, mode=Mode.BLOCK, **settings):
    decision = decide(file or a_file(), evidence, [rules(mode=mode, **settings)], NOW)
    return decision.action, decision.reason


def an_exemption(**changes):
    values = {
        "package": "goodlib",
        "version": None,
        "index": None,
        "hashes": frozenset({SHA}),
        "sdist": False,
        "audit": None,
        "owner": "platform@example.com",
        "reason": "our own build",
        "until": date(2026, 12, 1),
        "where": "openvet.toml:9",
    }
    return Exemption(**{**values, **changes})


def test_without_a_policy_nothing_is_decided():
    with pytest.raises(ValueError, match="needs a policy"):
        decide(a_file(), {}, [], NOW)


@pytest.mark.parametrize("mode", list(Mode))
def test_an_approved_file_is_allowed_in_every_mode(mode):
    assert reason_of(both(an_audit(a_file(), YES)), mode=mode) == (Action.ALLOW, Reason.APPROVED)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (both(), Reason.UNAUDITED),
        (both(an_audit(a_file(), OTHER)), Reason.NOT_ASSERTED),
        (both(an_audit(a_file(), YES, approves=False)), Reason.UNAUDITED),
        ({"project": Evidence(newest=(an_audit(a_file(), YES),))}, Reason.UNAUDITED),
    ],
)
def test_silence_is_forgiven_by_warn_and_record_only(evidence, reason):
    assert reason_of(evidence) == (Action.BLOCK, reason)
    assert reason_of(evidence, mode=Mode.WARN) == (Action.WARN, reason)
    assert reason_of(evidence, mode=Mode.RECORD) == (Action.WARN, reason)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (both(an_audit(a_file(), NO)), Reason.CONTRADICTED),
        (both(an_audit(a_file(), YES), an_audit(a_file(), NO, log="bob")), Reason.CONTRADICTED),
        (both(an_audit(a_file(), NO, approves=False)), Reason.CONTRADICTED),
        (both(an_audit(a_file(), YES), elsewhere=(an_audit(a_file(), NO, log="bob"),)), Reason.CONTRADICTED),
        (
            {"project": Evidence(pinned=(an_audit(a_file(), YES),), newest=(an_audit(a_file(), NO),))},
            Reason.CONTRADICTED,
        ),
        ({"project": Evidence(newest=(an_audit(a_file(), NO),))}, Reason.CONTRADICTED),
        ({"project": Evidence(pinned=(an_audit(a_file(), YES),))}, Reason.WITHDRAWN),
        (
            {"project": Evidence(pinned=(an_audit(a_file(), YES),), newest=(an_audit(a_file(), OTHER),))},
            Reason.WITHDRAWN,
        ),
        (both(siblings=(an_audit(a_file(tag="sdist"), NO),)), Reason.CONTRADICTED),
    ],
)
def test_a_no_is_forgiven_by_no_mode_and_no_exemption(evidence, reason, mode):
    assert reason_of(evidence, mode=mode) == (Action.BLOCK, reason)
    assert reason_of(evidence, mode=mode, exemptions=(an_exemption(),)) == (Action.BLOCK, reason)


def test_a_withdrawal_in_one_log_leaves_the_approval_of_another():
    alice, bob = an_audit(a_file(), YES), an_audit(a_file(), YES, log="bob")
    evidence = {"project": Evidence(pinned=(alice, bob), newest=(alice,))}
    assert reason_of(evidence) == (Action.ALLOW, Reason.APPROVED)


def test_an_approved_file_is_not_spoiled_by_a_sibling():
    evidence = both(an_audit(a_file(), YES), siblings=(an_audit(a_file(tag="sdist"), NO),))
    assert reason_of(evidence) == (Action.ALLOW, Reason.APPROVED)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("text", ["", '[requirement]\nb = "is-benign"\n[[override]]\nrequirements = []\n'])
def test_no_requirement_at_all_blocks_in_every_mode(mode, text):
    decision = decide(a_file(), both(an_audit(a_file(), NO)), [rules(text, mode=mode)], NOW)
    assert (decision.action, decision.reason) == (Action.BLOCK, Reason.NO_REQUIREMENTS)


def test_a_file_without_a_hash_is_silence():
    assert reason_of(both(), file=a_file(sha256=None)) == (Action.BLOCK, Reason.UNHASHED)
    assert reason_of(both(), file=a_file(sha256=None), mode=Mode.WARN) == (Action.WARN, Reason.UNHASHED)


def test_sdists_can_be_refused_although_approved():
    sdist = a_file(tag="sdist")
    assert reason_of(both(an_audit(sdist, YES)), file=sdist) == (Action.ALLOW, Reason.APPROVED)
    assert reason_of(both(an_audit(sdist, YES)), file=sdist, sdists="never") == (
        Action.BLOCK,
        Reason.SDIST_NOT_ALLOWED,
    )
    assert reason_of(both(an_audit(sdist, NO)), file=sdist, sdists="never", mode=Mode.WARN) == (
        Action.BLOCK,
        Reason.CONTRADICTED,
    )


@pytest.mark.parametrize(
    ("changes", "exempt"),
    [
        ({}, True),
        ({"hashes": frozenset({"cd" * 32})}, False),
        ({"hashes": frozenset(), "version": "1.0.0", "index": INDEX + "/"}, True),
        ({"hashes": frozenset(), "version": "1.1", "index": INDEX}, False),
        ({"hashes": frozenset(), "version": "1.0", "index": "https://elsewhere.example/simple"}, False),
        ({"package": "otherlib"}, False),
        ({"until": NOW.date()}, True),
        ({"until": NOW.date() - timedelta(days=1)}, False),
    ],
)
def test_an_exemption_forgives_silence_of_what_it_names(changes, exempt):
    action, reason = reason_of(both(), exemptions=(an_exemption(**changes),))
    assert (action is Action.ALLOW, reason) == (exempt, Reason.EXEMPT if exempt else Reason.UNAUDITED)


def test_an_exemption_covers_an_sdist_only_if_it_says_so():
    sdist = a_file(tag="sdist")
    assert reason_of(both(), file=sdist, exemptions=(an_exemption(),))[0] is Action.BLOCK
    assert reason_of(both(), file=sdist, exemptions=(an_exemption(sdist=True),))[0] is Action.ALLOW


@pytest.mark.parametrize("uploaded", [None, NOW, NOW + timedelta(days=400), NOW - timedelta(days=2)])
def test_the_cooldown_holds_back_silent_files_in_warn_mode(uploaded):
    file, week = a_file(uploaded=uploaded), timedelta(days=7)
    assert reason_of(both(), file=file, mode=Mode.WARN, cooldown=week) == (Action.BLOCK, Reason.TOO_YOUNG)
    approved = both(an_audit(file, YES))
    assert reason_of(approved, file=file, mode=Mode.WARN, cooldown=week) == (Action.ALLOW, Reason.APPROVED)
    old = a_file(uploaded=NOW - timedelta(days=8))
    assert reason_of(both(), file=old, mode=Mode.WARN, cooldown=week) == (Action.WARN, Reason.UNAUDITED)


def test_every_policy_must_allow():
    machine = rules('[requirement]\nquiet = "not uses-network"\n', scope="machine")
    audit = an_audit(a_file(), YES)
    evidence = {**both(audit), "machine": Evidence(pinned=(audit,), newest=(audit,))}
    decision = decide(a_file(), evidence, [machine, rules()], NOW)
    assert (decision.action, decision.reason, decision.scope) == (Action.BLOCK, Reason.NOT_ASSERTED, "machine")
    decision = decide(a_file(), both(audit), [rules(scope="machine", mode=Mode.WARN), rules()], NOW)
    assert (decision.action, decision.reason) == (Action.WARN, Reason.UNAUDITED)


def decided(*pairs, mode=Mode.BLOCK):
    return [decide(file, both(*audits), [rules(mode=mode)], NOW) for file, audits in pairs]


def test_the_silent_sibling_of_a_no_is_a_no():
    wheel, sdist, older = a_file(), a_file(tag="sdist", sha256="cd" * 32), a_file(version="0.9", sha256="ef" * 32)
    decisions = decided((wheel, [an_audit(wheel, NO)]), (sdist, []), (older, []), mode=Mode.WARN)
    found = settle(decisions, [rules(mode=Mode.WARN)])
    assert [one.reason for one in found] == [Reason.CONTRADICTED, Reason.CONTRADICTED, Reason.UNAUDITED]
    assert [one.action for one in found] == [Action.BLOCK, Action.BLOCK, Action.WARN]


def aged(version, days, claims=None):
    file = a_file(version=version, uploaded=NOW - timedelta(days=days), sha256=f"{int(version.replace('.', '')):064x}")
    return file, [an_audit(file, claims)] if claims else []


def test_what_is_far_older_than_what_was_withheld_is_too_old():
    decisions = decided(aged("1.0", 2000, YES), aged("2.0", 10))
    assert [one.reason for one in settle(decisions, [rules()])] == [Reason.TOO_OLD, Reason.UNAUDITED]
    for pin in ("1.0", "1", "1.0.0"):
        assert settle(decisions, [rules()], frozenset({pin}))[0].reason is Reason.APPROVED
    assert settle(decisions, [rules(max_lag=timedelta(days=3000))])[0].reason is Reason.APPROVED


def test_an_old_release_below_an_approved_young_one_is_not_too_old():
    decisions = decided(aged("1.0", 2000, YES), aged("2.0", 40, YES), aged("3.0", 10))
    assert [one.reason for one in settle(decisions, [rules()])] == [Reason.APPROVED, Reason.APPROVED, Reason.UNAUDITED]


def test_reasons_have_the_classes_of_the_design():
    by_class = {klass: {one.code for one in Reason if one.klass is klass} for klass in ReasonClass}
    assert by_class[ReasonClass.FINE] == {"approved", "carried", "exempt", "baseline", "local-project"}
    assert by_class[ReasonClass.NO] == {"contradicted", "withdrawn", "provenance-mismatch", "no-requirements"}
    assert "too-old" in by_class[ReasonClass.SILENCE]
    assert "archive-invalid" in by_class[ReasonClass.BROKEN]
