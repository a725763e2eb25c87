"""A `pyproject.toml` without what builds it: a tool that cannot read its requirements would start its backend (T20)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from openvet_install.installers.mirror import ROOT_MARK
from openvet_install.installers.projects import table_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def without_build(text: Mapping[str, Any]) -> bytes:
    """Return the tables that say what a project needs, and what it says to uv, as TOML again."""
    kept = {key: text[key] for key in ("project", "dependency-groups") if key in text}
    tool = table_of(text, "tool")
    if "uv" in tool:
        kept["tool"] = {"uv": tool["uv"]}
    return written(kept).encode()


def written(table: Mapping[str, Any]) -> str:
    """Return a table as TOML."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_text(key)} = {_value(one)}' for key, one in value.items())} }}"
    said: str = value.isoformat()  # dates and times
    return said


def _text(value: str) -> str:
    mark = ROOT_MARK if value.startswith(ROOT_MARK) else ""
    text = json.dumps(value.removeprefix(mark), ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"{text[0]}{mark}{text[1:]}"
