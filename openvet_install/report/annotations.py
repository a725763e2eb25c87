"""Workflow commands of GitHub Actions: one annotation a finding (threat T77: nothing else can be commanded)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.report.findings import Finding

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(findings: Iterable[Finding]) -> str:
    """Return the lines; every value is escaped for the place where it stands."""
    return "".join(_line(one) for one in findings)


def _line(one: Finding) -> str:
    properties = []
    if one.path is not None and not one.path.startswith("/"):
        properties.append(f"file={one.path.translate(_PROPERTY)}")
        if one.line is not None:
            properties.append(f"line={one.line}")
    properties.append(f"title={one.rule.translate(_PROPERTY)}")
    return f"::{one.level} {','.join(properties)}::{f'{one.title}{_joint(one)}{one.text}'.translate(_DATA)}\n"


def _joint(one: Finding) -> str:
    return " " if one.text.startswith("ends on ") else ": "
