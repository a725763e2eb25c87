"""The one table of cases of `vectors.json` that we answer otherwise than OpenVet 0.6, each with the rule.

The tests of each list compare our answers with those of 0.6 and with this table: a case that is not in it must be
equal, a case that is in it must differ, as told. All but `[install]` make us stricter.
"""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """What we answer: `refused`, `taken`, or a reason of `decide`; and the rule that makes us."""

    ours: str
    rule: str


TYPING_ERRORS = "a key that nobody reads is a typing error and would pass unnoticed (T55)"
INSTALL = "`[install]` is ours (design, section 6)"
NUL = "NUL makes tree keys ambiguous (protocol, section 2)"
DIGITS = "a sign is no digit (protocol, section 2)"
EMPTY_SET = "an empty effective set approves nothing (design, section 6)"
OUTSIDER = "only auditors of the keyset or of `signers` approve (design, section 7; threat T63)"
RELEASE = "a silent file of a release that has a contradicted file is contradicted too (threat T44)"

DEMO = (
    "pypi:blinker@1.9.0?py3-none-any",
    "pypi:certifi@2026.10.18?py3-none-any",
    "pypi:click@8.5.1?py3-none-any",
    "pypi:idna@3.11?sdist",
    "pypi:itsdangerous@2.2.0?py3-none-any",
    "pypi:markupsafe@3.0.4?cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64",
    "pypi:six@1.17.0?py2.py3-none-any",
    "pypi:six@1.17.0?sdist",
    "pypi:typing-extensions@4.15.0?py3-none-any",
)

DIFFERENCES: dict[tuple[str, str], Difference] = {
    ("openvet.toml", "requirement with extra key"): Difference("refused", TYPING_ERRORS),
    ("openvet.toml", "override with extra key"): Difference("refused", TYPING_ERRORS),
    ("openvet.toml", "override patch with extra key"): Difference("refused", TYPING_ERRORS),
    ("openvet.toml", "unknown table"): Difference("taken", INSTALL),
    ("openvet.toml", "unknown table with log"): Difference("taken", INSTALL),
    ("decoding", "subject: NUL in the name"): Difference("refused", NUL),
    ("tagged_hashes", "sha256:+a"): Difference("refused", DIGITS),
    **{("no-requirements", coord): Difference("no-requirements", EMPTY_SET) for coord in DEMO},
    **{("empty-effective-set", coord): Difference("no-requirements", EMPTY_SET) for coord in DEMO},
    ("override-hash", "pypi:certifi@2026.10.18?py3-none-any"): Difference("no-requirements", EMPTY_SET),
    ("never-claimed", "pypi:six@1.17.0?sdist"): Difference("contradicted", RELEASE),
    ("two-logs-unknown", "pypi:six@1.17.0?sdist"): Difference("contradicted", RELEASE),
    ("third-party-certifi", "pypi:certifi@2026.10.18?py3-none-any"): Difference("unaudited", OUTSIDER),
}
"""By the list and the case in it, of verdicts by the case and the coordinate."""


def ours(where: str, case: str, theirs: str) -> str:
    """Return the answer that is expected of us: that of 0.6, unless the table has another one."""
    found = DIFFERENCES.get((where, case))
    if found is None:
        return theirs
    assert found.ours != theirs, f"{where}, {case}: 0.6 says `{theirs}` too, this is no difference"
    return found.ours
