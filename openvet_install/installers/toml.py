"""TOML as the tools read it, without the one character that no path and no argument of a program can hold."""

from __future__ import annotations

import re
from typing import Any

import tomli

_ZERO = re.compile(r"\\(?:u0000|U00000000|x00)")


def loads(text: str) -> dict[str, Any]:
    """Return the tables of a text. Raises `ValueError` and `RecursionError` as `tomli` does, also for a zero byte."""
    if _ZERO.search(text):
        raise ValueError("a zero byte has no place here")
    return tomli.loads(text)
