import json

import jsonschema
import pytest

from openvet_install.decide import decide
from openvet_install.gate.model import HeldBack, Judged, LogSeen, Outcome, PolicySeen, Run, Stray, ToolSeen
from openvet_install.report.document import document, render, schema
from tests.support.evidence import NOW, a_file, an_audit, both, rules


def a_full_run():
    file = a_file()
    judged = Judged(
        decision=decide(file, both(an_audit(file, {"is-benign": False})), [rules()], NOW), route=("command line",)
    )
    return Run(
        command=["pip", "install", "goodlib"],
        started=NOW,
        target="/target",
        tool=ToolSeen(name="pip", path="/pip", version="26.3", sha256="0" * 64, exit=1),
        exit_code=77,
        outcome=Outcome.BLOCKED,
        policies=(PolicySeen(scope="project", file="openvet.toml", sha256="0" * 64, mode="block", mode_place=None),),
        environment=("OPENVET_INSTALL_MODE",),
        logs=(
            LogSeen(
                scope="project", name="alice", url="https://logs.example/a", head="0" * 64, newest="1" * 64,
                generation=0, checked=NOW,
            ),
        ),
        withheld=[judged],
        held_back=[HeldBack(package="x", chosen="1", newest="2", reason="unaudited", days=None)],
        strays=[Stray(name="x", version=None, path="x.pth", reason="unexpected-file", text="t")],
    )  # fmt: skip


def test_the_report_fits_its_schema():
    validator = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema())
    for run in (a_full_run(), Run(command=["pip"], started=NOW)):
        validator.validate(json.loads(render(run)))


def test_the_schema_refuses_what_no_report_says():
    broken = {**document(a_full_run()), "outcome": "fine"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document(a_full_run()), "more": 1}, schema())


def test_the_report_says_who_said_what():
    (withheld,) = document(a_full_run())["withheld"]
    assert withheld["subject"].startswith("pypi:goodlib@1.0?py3-none-any#sha256:")
    assert withheld["purl"] == "pkg:pypi/goodlib@1.0"
    (requirement,) = withheld["requirements"]
    assert requirement["status"] == "contradicted"
    assert requirement["audits"][0]["value"] == "false"
