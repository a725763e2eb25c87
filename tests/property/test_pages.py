"""What is rendered is part of what came in, and reading it again gives the same values."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from html import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from openvet_install.files import FilenameError, parse_filename
from openvet_install.gateway.addresses import AddressError, canonical_url, parse_target
from openvet_install.gateway.pages import HTML_TYPE, JSON_TYPE, PageError, _names, parse_page, render_html, render_json

URL = "https://idx.test/simple/demo/"
INDEX = "https://idx.test/simple"

NAMES = st.sampled_from(["demo", "Demo", "de.mo", "other", "de__mo", "", "démo"])
VERSIONS = st.sampled_from(["1.0", "1.0.0", "2.0rc1", "1!2", "x", "1.0+local", ""])
TAGS = st.sampled_from(
    [
        "py3-none-any",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "py3--any",
        "1-py3-none-any",
        "x-py3-none-any",
        "py3-none",
    ]
)
FILENAMES = st.one_of(
    st.builds("{}-{}-{}.whl".format, NAMES, VERSIONS, TAGS),
    st.builds("{}-{}{}".format, NAMES, VERSIONS, st.sampled_from([".tar.gz", ".zip", ".exe", ".tar.bz2"])),
    st.text(max_size=20),
)
PREFIXES = st.sampled_from(
    [
        "https://files.test/a/",
        "http://files.test:8080/",
        "../../f/",
        "file:///d/",
        "//files.test/",
        "ftp://x/",
        "https://u:p@files.test/",
        "https://FILES.test/x/",
        "/%2e%2e/",
        "https://a b/",
        "javascript:",
    ]
)
TEXTS = st.one_of(st.none(), st.text(max_size=30), st.sampled_from([">=3.9", "<4,>=3", '"><a href=x>', "&lt;"]))
HEX = st.one_of(st.text("0123456789abcdefABCDEF", min_size=64, max_size=64), st.text(max_size=5))


@st.composite
def entries(draw):
    filename = draw(FILENAMES)
    entry = {
        "filename": filename,
        "url": draw(PREFIXES) + draw(st.sampled_from([filename, "x.whl"])),
        "hashes": draw(st.dictionaries(st.sampled_from(["sha256", "md5"]), HEX)),
    }
    for key, values in {
        "requires-python": TEXTS,
        "size": st.one_of(st.integers(), st.text(max_size=3), st.booleans()),
        "upload-time": st.one_of(
            st.datetimes().map(lambda when: when.isoformat() + "Z"), st.text(max_size=20), st.none()
        ),
        "yanked": st.one_of(st.booleans(), st.text(max_size=20), st.none()),
        "core-metadata": st.booleans(),
        "provenance": TEXTS,
    }.items():
        if draw(st.booleans()):
            entry[key] = draw(values)
    return entry


PAGES = st.lists(st.one_of(entries(), st.none(), st.text(max_size=3)), max_size=8)


def without_provenance(page):
    return dataclasses.replace(page, files=tuple(dataclasses.replace(file, provenance=None) for file in page.files))


@settings(max_examples=150)
@given(PAGES)
def test_json_round_trip(files):
    page = parse_page(
        json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files}).encode(),
        JSON_TYPE,
        URL,
        index=INDEX,
    )
    rendered = render_json(page)
    assert rendered.isascii()
    again = parse_page(rendered, JSON_TYPE, URL, index=INDEX)
    assert again == without_provenance(page)
    assert render_json(again) == rendered
    came = {entry["filename"] for entry in files if isinstance(entry, dict)}
    for file in page.files:
        assert file.filename in came
        assert parse_target(file.url).scheme in ("http", "https")
        assert canonical_url(file.url) == file.url
        assert file.name == "demo"
        assert "@" not in file.url.split("/")[2]


@settings(max_examples=150)
@given(PAGES)
def test_html_round_trip(files):
    page = parse_page(
        json.dumps({"meta": {"api-version": "1.0"}, "name": "demo", "files": files}).encode(),
        JSON_TYPE,
        URL,
        index=INDEX,
    )
    rendered = render_html(page)
    assert rendered.isascii()
    again = parse_page(rendered, HTML_TYPE, URL, index=INDEX)
    expected = [dataclasses.replace(file, size=None) for file in without_provenance(page).files]
    assert list(again.files) == expected
    assert render_html(again) == rendered


@settings(max_examples=150)
@given(PAGES, st.booleans())
def test_html_is_read_alike_by_both_readers(files, odd):
    lines = []
    for entry in files:
        if isinstance(entry, dict):
            yank = entry.get("yanked")
            more = f' data-yanked="{escape(yank)}"' if isinstance(yank, str) else ""
            lines.append(f'<a href="{escape(entry["url"])}"{more}>{escape(entry["filename"])}</a>')
    text = "<html><body>" + "\n".join(lines).replace("\0", "?")
    tidy = parse_page(text.encode(), "text/html", URL, index=INDEX)
    slow = parse_page((text + ("<!-- x -->" if odd else "<a\n>")).encode(), "text/html", URL, index=INDEX)
    assert tidy == slow


@settings(max_examples=100)
@given(PAGES)
def test_wanted_leaves_out_others_only(files):
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files}).encode()
    page = parse_page(body, JSON_TYPE, URL, index=INDEX)
    wanted = {file.sha256 for file in page.files[::2] if file.sha256}
    some = parse_page(body, JSON_TYPE, URL, index=INDEX, wanted=lambda _project: wanted)
    assert {file for file in page.files if file.sha256 in wanted} <= set(some.files)


@settings(max_examples=200)
@given(st.lists(FILENAMES, max_size=10))
def test_remembered_names_are_the_parsers(filenames):
    read = _names()
    for filename in filenames * 2:
        try:
            name, version, _ = parse_filename(filename)
            expected = (name, version)
        except FilenameError:
            expected = None
        got = read(filename)
        assert got == expected or (got is None and ("/" in filename or "\\" in filename or not filename.isprintable()))


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([JSON_TYPE, HTML_TYPE, "text/html", "text/html; charset=utf-8"]))
def test_any_bytes_are_a_page_or_a_page_error(body, content_type):
    with suppress(PageError):
        parse_page(body, content_type, URL, index=INDEX)


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_a_canonical_url_stays_as_it_is(tail):
    try:
        once = canonical_url("https://h.test/" + tail)
    except AddressError:
        return
    assert canonical_url(once) == once
    assert once.isascii()
