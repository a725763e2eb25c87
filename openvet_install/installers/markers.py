"""Whether a marker holds for a target: pip and uv answer differently where one is odd, and each installs by its answer.

pip reads markers as the specification says (`packaging`). uv leaves out a comparison that it cannot make, compares as
text what is no version of Python, and of versions the release alone; found by asking uv 0.13.9. What it leaves out
counts as holding wherever it stands: so nothing that uv would install is overlooked.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import Specifier
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

TRUE, FALSE = "python_version >= '0'", "python_version < '0'"
"""What to write for a comparison whose answer is known."""
_VERSIONS = frozenset({"python_version", "python_full_version", "implementation_version"})
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_AS_TEXT = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SIDE = r"\"[^\"]*\"|'[^']*'|\w+"
_COMPARISON = re.compile(rf"({_SIDE}) (not in|in|[<>=!~]+) ({_SIDE})")


def may_hold(marker: Marker, environment: Mapping[str, str]) -> bool:
    """Tell whether the marker of a requirement holds as pip or as uv reads it. `environment` has no extra."""
    whole = {**environment, "extra": ""}
    try:
        return marker.evaluate(whole) or holds_for_uv(marker, whole)
    except (UndefinedComparison, UndefinedEnvironmentName):  # pip stops there
        return holds_for_uv(marker, whole)


def holds_for_uv(marker: Marker, environment: Mapping[str, str | AbstractSet[str]]) -> bool:
    """Tell whether a marker may hold as uv reads it; `environment` has all that a marker may name."""

    def answer(match: re.Match[str]) -> str:
        return TRUE if _compares(match[1], match[2], match[3], environment) else FALSE

    return Marker(_COMPARISON.sub(answer, str(marker))).evaluate()


def _compares(left: str, how: str, right: str, environment: Mapping[str, str | AbstractSet[str]]) -> bool:
    turned = left[0] in "\"'"
    name, text = (right, left[1:-1]) if turned else (left, right[1:-1])
    value = environment.get(name)
    if value is None or turned is (right[0] in "\"'"):
        return True
    if how in ("in", "not in") and (name not in _VERSIONS or turned):
        held = value in text if isinstance(value, str) and not turned else text in value
        return name in _VERSIONS or held is (how == "in")
    if turned:
        how = "" if "*" in text else _TURNED.get(how, "")
    return _of_versions(str(value), how, text) if name in _VERSIONS else _of_texts(str(value), how, text)


def _of_texts(value: str, how: str, text: str) -> bool:
    compare = _AS_TEXT.get(how)
    return compare is None or bool(compare(value, text))


def _of_versions(value: str, how: str, text: str) -> bool:
    try:
        here = Version(value.removesuffix("+"))
        if how in ("in", "not in"):
            return (_release(value) in [_release(one) for one in text.split()]) is (how == "in")
        if text.rstrip().endswith(".*"):
            wanted = Specifier(how + text)
        else:
            wanted = Specifier(f"{how}{_release(text)}")
            if Version(text).local is not None and how not in ("==", "!="):
                return True
    except ValueError:
        return True
    return any(wanted.contains(one, prereleases=True) for one in (here, here.base_version))


def _release(text: str) -> Version:
    return Version(".".join(map(str, Version(text.removesuffix("+")).release)))
