"""TOML as the tools read it, without the one character that no path and no argument of a program can hold."""

from __future__ import annotations

import re
from typing import Any

import tomli

from openvet_install.files import has_long_number

_ZERO = re.compile(r"\\(?:u0000|U00000000|x00)")


def loads(text: str) -> dict[str, Any]:
    """Return the tables of a text. Raises `ValueError` and `RecursionError` as `tomli` does.

    Also for a zero byte, and for a number that is none in a version.
    """
    if _ZERO.search(text):
        raise ValueError("a zero byte has no place here")
    if has_long_number(text):
        raise ValueError("a number of a thousand digits or more has no place here")
    return tomli.loads(text)
