"""For how long an index says that a page of it holds, and who is content with one that was kept (RFC 9111); pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openvet_install.gateway.grammar import Request

MOST_SECONDS = 600
"""However long an index says: what it takes back is gone after ten minutes."""

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_NEVER = frozenset({"no-store", "no-cache"})


def lasts(cache_control: str, age: str = "0") -> int:
    """Return the seconds that an answer may be used for; 0 for those that say nothing, or nothing that is clear."""
    directives = _directives(cache_control)
    ages = [value for name, value in directives if name == "max-age"]
    said = [int(one) for one in (*ages, age.strip()) if _NUMBER.fullmatch(one)]
    if len(ages) != 1 or len(said) != 2 or any(name in _NEVER for name, _ in directives):
        return 0
    return max(min(said[0], MOST_SECONDS) - said[1], 0)


def is_content(request: Request) -> bool:
    """Tell whether a client has an answer in its cache and does not insist on what the index says now."""
    directives = _directives(request.get("cache-control") or request.get("pragma") or "")
    insists = any(name in _NEVER or (name == "max-age" and value == "0") for name, value in directives)
    return request.get("if-none-match") is not None and not insists


def _directives(value: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in value.lower().split(","))
    return [(name.strip(), number.strip().strip('"')) for name, _, number in parts]
