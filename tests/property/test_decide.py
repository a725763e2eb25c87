from hypothesis import given
from hypothesis import strategies as st

from openvet_install.config import Mode
from openvet_install.decide import Action, Evidence, decide
from tests.support.evidence import NOW, a_file, an_audit, rules

CLAIMS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.booleans())
EXPRESSIONS = st.sampled_from(["a", "not a", "a and b", "a or b", "a implies b", "not (a and c)", "b or not c"])
AUDITS = st.lists(st.tuples(st.sampled_from(["x", "y", "z"]), CLAIMS, st.booleans()), max_size=3)
POLICIES = st.lists(EXPRESSIONS, min_size=1, max_size=3)
STRICTNESS = list(Action)


def policy(expressions):
    lines = [f'r{number} = "{text}"' for number, text in enumerate(expressions)]
    return "[requirement]\n" + "\n".join(lines) + "\n"


def evidence(pinned, newest, elsewhere=()):
    def read(found):
        by_log = {log: an_audit(a_file(), claims, log=log, approves=ok) for log, claims, ok in found}
        return tuple(by_log.values())

    return {"project": Evidence(pinned=read(pinned), newest=read(newest), elsewhere=read(elsewhere))}


def action(expressions, found, mode=Mode.BLOCK):
    return decide(a_file(), found, [rules(policy(expressions), mode=mode)], NOW).action


@given(POLICIES, EXPRESSIONS, AUDITS, AUDITS, st.sampled_from(Mode))
def test_one_more_requirement_never_allows_more(expressions, more, pinned, newest, mode):
    found = evidence(pinned, newest)
    before, after = action(expressions, found, mode), action([*expressions, more], found, mode)
    assert STRICTNESS.index(after) >= STRICTNESS.index(before)


@given(POLICIES, AUDITS, AUDITS, st.sampled_from(Mode))
def test_one_more_no_never_turns_a_block_into_an_allow(expressions, pinned, newest, mode):
    no = [("w", dict.fromkeys("abc", False), True), ("v", dict.fromkeys("abc", True), True)]
    before = action(expressions, evidence(pinned, newest), mode)
    after = action(expressions, evidence(pinned, newest, elsewhere=no), mode)
    assert STRICTNESS.index(after) >= STRICTNESS.index(before)


@given(POLICIES, AUDITS)
def test_an_approval_needs_both_heads(expressions, pinned):
    assert action(expressions, evidence([], pinned)) is Action.BLOCK
    assert action(expressions, evidence(pinned, [])) is Action.BLOCK


@given(POLICIES, AUDITS)
def test_signers_without_authority_approve_nothing(expressions, found):
    outsiders = [(log, claims, False) for log, claims, _ in found]
    assert action(expressions, evidence(outsiders, outsiders)) is Action.BLOCK
