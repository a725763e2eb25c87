import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openvet_install.gateway.listing import Listing, version_text
from openvet_install.gateway.pages import JSON_TYPE, PageError, parse_page, read_listing

URL = "https://index.example/simple/demo/"
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
DIGESTS = st.sampled_from(["a" * 64, "b" * 64, "B" * 64, "c" * 64, "short"])
NAMES = st.sampled_from(["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-2.0.zip", "demo", ""])
ENTRIES = st.lists(
    SCALARS
    | st.lists(SCALARS, max_size=2)
    | st.fixed_dictionaries(
        {},
        optional={
            "filename": NAMES | SCALARS,
            "hashes": st.fixed_dictionaries({}, optional={"sha256": DIGESTS | SCALARS}) | SCALARS,
            "url": st.just("demo.whl"),
            "core-metadata": SCALARS,
        },
    ),
    max_size=8,
)
WANTED = st.none() | st.frozensets(st.sampled_from(["a" * 64, "b" * 64, "d" * 64]))


def without_metadata(entry):
    return {key: value for key, value in entry.items() if key != "core-metadata"} if isinstance(entry, dict) else entry


def states_what_nobody_wants(entry, wanted):
    try:
        digest, filename = entry["hashes"]["sha256"], entry["filename"]
        return isinstance(filename, str) and digest.lower() not in wanted
    except (KeyError, TypeError, AttributeError):
        return False


@given(ENTRIES, WANTED)
def test_what_is_wanted_or_states_nothing_is_read_in_the_order_of_the_page(entries, wanted):
    listing = Listing.of("demo", json.loads(json.dumps(entries)))
    kept, left, count = Listing.unpacked(listing.packed()).split(wanted)
    sure = [one for one in entries if wanted is None or not states_what_nobody_wants(one, wanted)]
    found = list(map(without_metadata, kept))
    # beside these only entries whose sha256 stands at two versions
    assert [one for one in found if one in map(without_metadata, sure)] == list(map(without_metadata, sure))
    assert len(kept) + count == len(entries)
    assert bool(left) == bool(count)


def test_a_sha256_that_stands_at_two_versions_is_seen_at_both():
    entries = [{"filename": f"demo-{one}-py3-none-any.whl", "hashes": {"sha256": "a" * 64}} for one in ("1.0", "2.0")]
    kept, left, count = Listing.of("demo", entries).split(frozenset({"a" * 64}))
    assert (kept, left, count) == (entries, {}, 0)


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("demo-1.0-py3-none-any.whl", "1.0"),
        ("demo.whl", ""),
        ("demo-1.0.tar.gz", "1.0"),
        ("my-demo-1.0.zip", "1.0"),
        ("", ""),
    ],
)
def test_the_text_of_a_version(filename, version):
    assert version_text(filename) == version


@pytest.mark.parametrize("depth", [500, 3_000, 100_000])
def test_a_page_that_is_nested_too_deep_is_none(depth):
    deep, digest = "[" * depth + "]" * depth, "a" * 64
    entry = f'{{"filename": "demo-1.0.zip", "hashes": {{"sha256": "{digest}"}}, "more": {deep}}}'
    body = f'{{"meta": {{"api-version": "1.1"}}, "name": "demo", "files": [{entry}]}}'.encode()
    try:
        page = parse_page(body, JSON_TYPE, URL, index=URL)
    except PageError:
        return
    assert depth == 500
    assert page.files == ()


def test_a_listing_that_was_made_before_gives_the_same_page():
    entries = [
        {"filename": f"demo-{one}.zip", "url": f"demo-{one}.zip", "hashes": {"sha256": one * 64}} for one in "12"
    ]
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "Demo", "files": entries}).encode()
    listing = Listing.unpacked(read_listing(body, URL).packed())
    first = parse_page(body, JSON_TYPE, URL, index=URL, wanted=lambda _name: frozenset({"1" * 64}))
    second = parse_page(b"", JSON_TYPE, URL, index=URL, wanted=lambda _name: frozenset({"1" * 64}), listing=listing)
    assert first.files == second.files
    assert first.unread.files() == second.unread.files()
    assert [len(first.unread), len(second.unread), first.project, second.project] == [1, 1, "demo", "demo"]
