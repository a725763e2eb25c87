"""Digits of a hash are an even number of hexadecimal digits and nothing else."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openvet_install.openvet.subject import SubjectError, TaggedHash

DIGITS = re.compile("(?:[0-9a-fA-F]{2})+")


@given(st.text(alphabet=st.sampled_from("09afAFgG \t\n\x0b_-+:٣Ａ"), max_size=8))
@example("ab cd")
@example("ab ")
@example(" ab")
@example("a b")
@example("abc")
@example("")
def test_what_is_read_is_what_the_grammar_says(digits):
    if DIGITS.fullmatch(digits):
        assert str(TaggedHash.parse(f"sha256:{digits}")) == f"sha256:{digits.lower()}"
        return
    with pytest.raises(SubjectError):
        TaggedHash.parse(f"sha256:{digits}")
