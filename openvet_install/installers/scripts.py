"""Scripts that say what they need (PEP 723): read once; uv gets a copy of the metadata alone (threats T03, T19)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers import toml, uv_config
from openvet_install.installers.commands import Requested
from openvet_install.installers.lines import by_name
from openvet_install.installers.mirror import write_private
from openvet_install.installers.projects import table_of
from openvet_install.installers.requirements import MAX_FILE_BYTES
from openvet_install.installers.toml_copy import written

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openvet_install.installers.uv_config import UvConfig

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""The reference expression of the specification of inline script metadata."""
_MARK = b"# /// script"
_OPENING = re.compile(r"(?m)^# /// script$")
_UNSEEN = re.compile(r"\r# /// script$", re.MULTILINE)
"""To uv alone this opens metadata."""
_ELSEWHERE = frozenset({"git", "url", "path", "workspace", "editable"})


class Script(NamedTuple):
    """A script with metadata: `block` is the commented text of it alone, `sha256` that of the whole script.

    `origin` names the script in messages; `settings` are those of its `[tool.uv]`.
    """

    origin: str
    block: str
    sha256: str
    requirements: tuple[Requested, ...]
    settings: UvConfig

    def copy_to(self, folder: Path) -> Path:
        """Write what uv gets instead of the script and return the path."""
        path = folder / "script.py"
        write_private(path, self.block)
        return path


def read_script(raw: bytes, origin: str) -> Script | None:
    """Read the metadata of a script, None when it has none.

    Raises `UsageError` (64) for metadata that cannot be read and for requirements that lead past the gateway,
    `ConfigError` (78) or `FaultsError` of it for keys of `[tool.uv]`.
    """
    found = _block_of(raw, origin)
    if found is None:
        return None
    block, content, table = found
    settings = table_of(table_of(table, "tool"), "uv")
    judged = uv_config.read_table(origin, content, settings)
    _refuse_sources(settings, origin)
    return Script(
        origin=origin,
        block=block,
        sha256=hashlib.sha256(raw).hexdigest(),
        requirements=tuple(_requirements(table, origin)),
        settings=judged,
    )


def settings_in(raw: bytes, origin: str) -> Mapping[str, Any]:
    """Return the `[tool.uv]` of a script as it stands. Raises `UsageError` for metadata that cannot be read."""
    found = _block_of(raw, origin)
    return {} if found is None else table_of(table_of(found[2], "tool"), "uv")


def read_for_pip(raw: bytes, origin: str) -> tuple[str, tuple[Requested, ...]]:
    """Return metadata that says anew what a script's says to pip, and what it asks for.

    Pip knows more ends of lines than the specification, and would read other values in the same text. Raises
    `UsageError` for a script without metadata, and as `read_script`.
    """
    found = _block_of(raw, origin)
    if found is None:
        raise UsageError("it has no metadata of a script (PEP 723)", where=origin)
    _block, _content, table = found
    requested = tuple(_requirements(table, origin))
    python = table.get("requires-python", "")
    if not isinstance(python, str) or not python.isprintable():
        raise UsageError("`requires-python` is no text in one line", where=origin)
    said = written({"requires-python": python, "dependencies": [str(one.requirement) for one in requested]})
    return "".join(f"# {line}\n" for line in ("/// script", *said.splitlines(), "///")), requested


def _block_of(raw: bytes, origin: str) -> tuple[str, str, dict[str, Any]] | None:
    """Return the commented text of the metadata, its content in the lines of the script, and its table."""
    if _MARK not in raw:
        return None
    if len(raw) > MAX_FILE_BYTES:
        raise UsageError(f"larger than {MAX_FILE_BYTES} bytes", where=origin)
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"its metadata is not UTF-8 (byte {error.start})", where=origin) from error
    if _UNSEEN.search(text):
        raise UsageError("a line with `# /// script` stands behind a lone carriage return", where=origin)
    blocks = [match for match in _BLOCK.finditer(f"{text}\n") if match["type"] == "script"]
    if len(blocks) != (1 if _OPENING.search(text) else 0):
        raise UsageError("its metadata has no end, or there is more than one block of it", where=origin)
    if not blocks:
        return None
    block = blocks[0]
    above = text[: block.start("content")].count("\n")
    # only what ends a line for the tools: `splitlines` knows more
    content = "\n" * above + "".join(
        f"{line[2:] if line.startswith('# ') else line[1:]}\n" for line in block["content"].split("\n")[:-1]
    )
    try:
        table = toml.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"its metadata is not TOML: {error}", where=origin) from error
    return f"{block[0]}\n", content, table


def _requirements(table: Mapping[str, Any], origin: str) -> list[Requested]:
    listed = table.get("dependencies", [])
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise UsageError("`dependencies` is no list of texts", where=origin)
    try:
        return [Requested(by_name(one), origin) for one in listed]
    except UsageError as fault:
        fault.where = origin
        raise


def _refuse_sources(settings: Mapping[str, Any], origin: str) -> None:
    for name, entries in table_of(settings, "sources").items():
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict) or entry.keys() & _ELSEWHERE:
                raise ConfigError(
                    f"`sources` is refused: `{name}` leads past the gateway",
                    where=f"{origin}, key `tool.uv.sources.{name}`",
                )
