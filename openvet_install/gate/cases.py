"""A file that is decided about, with what is known of it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.decide import Evidence
    from openvet_install.files import File

AT_ONCE = 10
"""Fetches of documents or files for decisions, at the same time."""


class Case(NamedTuple):
    """A file and its evidence by scope; `problem` says why no audit carries to it, if one could.

    `unreachable`: only a host that is away keeps it from an answer.
    """

    file: File
    evidence: Mapping[str, Evidence]
    problem: str | None = None
    unreachable: bool = False
