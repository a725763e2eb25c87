import pytest

from openvet_install.gateway.freshness import MOST_SECONDS, is_content, lasts
from openvet_install.gateway.grammar import Request


@pytest.mark.parametrize(
    ("said", "age", "seconds"),
    [
        ("max-age=600, public", "0", 600),
        ("MAX-AGE=60", "0", 60),
        ('max-age="60"', "0", 60),
        ("max-age=600", " 599 ", 1),
        ("max-age=600", "700", 0),
        ("max-age=31536000, immutable", "0", MOST_SECONDS),
        ("max-age=31536000", "601", 0),
        ("", "0", 0),
        ("public", "0", 0),
        ("s-maxage=600", "0", 0),
        ("no-cache, max-age=600", "0", 0),
        ("max-age=600, no-store", "0", 0),
        ('no-cache="set-cookie", max-age=600', "0", 0),
        ("max-age=600, max-age=10", "0", 0),
        ("max-age=-1", "0", 0),
        ("max-age=1e3", "0", 0),
        ("max-age=\u0661\u0662", "0", 0),
        ("max-age=600", "soon", 0),
        ("max-age", "0", 0),
    ],
)
def test_an_answer_lasts_as_long_as_it_clearly_says(said, age, seconds):
    assert lasts(said, age) == seconds


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ((), False),
        ((("if-none-match", '"x"'),), True),
        ((("if-none-match", '"x"'), ("cache-control", "max-age=600")), True),
        ((("if-none-match", '"x"'), ("cache-control", "No-Cache")), False),
        ((("if-none-match", '"x"'), ("cache-control", "max-age=0")), False),
        ((("if-none-match", '"x"'), ("cache-control", "no-store")), False),
        ((("if-none-match", '"x"'), ("pragma", "no-cache")), False),
    ],
)
def test_who_is_content_with_what_was_kept(headers, content):
    assert is_content(Request("GET", "/simple/demo/", "1.1", headers)) is content
