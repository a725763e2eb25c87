from itertools import product

import pytest

from openvet_install.openvet import language
from openvet_install.openvet.language import And, Claim, ExpressionError, Not, Or, Tri
from tests.support.vectors import load

LETTERS = {"T": True, "F": False, "U": None}
VALUES = {"T": Tri.TRUE, "F": Tri.FALSE, "U": Tri.UNKNOWN}


def as_list(expression):
    if isinstance(expression, Claim):
        return expression.name
    if isinstance(expression, Not):
        return ["not", as_list(expression.operand)]
    word = {And: "and", Or: "or"}[type(expression)]
    return [word, *(as_list(operand) for operand in expression.operands)]


@pytest.mark.parametrize("case", load("expressions")["valid"], ids=lambda case: case["text"])
def test_a_valid_expression_is_read_and_evaluated(case):
    expression = language.parse(case["text"])
    assert as_list(expression) == case["tree"]
    assert list(language.claims_of(expression)) == case["claims"]
    rows = product("TFU", repeat=len(case["claims"]))
    for letters, wanted in zip(rows, case["table"], strict=True):
        claims = dict(zip(case["claims"], (LETTERS[letter] for letter in letters), strict=True))
        assert language.evaluate(expression, claims.get) is VALUES[wanted]


@pytest.mark.parametrize("case", load("expressions")["invalid"], ids=lambda case: repr(case["text"]))
def test_an_invalid_expression_is_refused(case):
    with pytest.raises(ExpressionError) as caught:
        language.parse(case["text"])
    assert 0 <= caught.value.position <= len(case["text"])


@pytest.mark.parametrize(
    ("text", "position"),
    [("a and", 5), ("a and  )", 7), ("a b", 2), ("(a", 2), ("a & b", 2), ("", 0), ("a and or", 6), ("  9a", 2)],
)
def test_the_caret_stands_below_the_fault(text, position):
    with pytest.raises(ExpressionError) as caught:
        language.parse(text)
    assert caught.value.position == position
    drawn, caret = caught.value.what.splitlines()[1:]
    assert caret.index("^") - 4 == position
    assert drawn == f"    {text}"


@pytest.mark.parametrize(
    "text", ["(" * 500 + "a" + ")" * 500, "not " * 500 + "a", "a implies " * 500 + "a", "a" * 20_000]
)
def test_depth_and_length_are_bounded(text):
    with pytest.raises(ExpressionError, match=r"nested deeper|longer than"):
        language.parse(text)
