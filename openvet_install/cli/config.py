"""`config`: every key of each policy, and the file and line that said it. Nothing is merged."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from openvet_install.cli.policy import read_setting
from openvet_install.config import Settings, read_guard, user_folder
from openvet_install.config.baseline import BASELINE_TOML
from openvet_install.config.guard import CONFIG_TOML
from openvet_install.config.model import length
from openvet_install.config.reader import MAX_FILE_BYTES, documents_of, shown_in
from openvet_install.config.toml import spell
from openvet_install.gate.heads import INSTALL_LOCK, OPENVET_LOCK
from openvet_install.installers.commands import without_login
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.config.toml import Document, Path_
    from openvet_install.gate.setting import Setting

GAP = "    "
_LISTS = ("exemptions", "publishers", "trust_root", "said")
"""Settings that are nothing until somebody says them."""


def run(options: WrapperOptions) -> int:
    """Print what applies here; 78 without any policy or with one that cannot be read."""
    chosen = read_setting(options)
    terminal = Terminal.of(sys.stdout, os.environ)
    for policy in chosen.policies:
        terminal.line(f"{policy.scope}: {', '.join(_files(policy))}")
        rows = [[f"  {key}", place] for key, place in _keys(policy, chosen)]
        width = max((len(row[0]) for row in rows if len(row[0]) <= 60), default=0)
        for key, place in rows:
            terminal.line(f"{key.ljust(width)}{GAP}{place}")
    folder = user_folder(os.environ)
    if (folder / CONFIG_TOML).exists():
        guard = read_guard(folder)
        terminal.line(f"openvet's user file: {folder / CONFIG_TOML}")
        terminal.line(f"  guard.strict = {toml(guard.strict)}{GAP}guard.exclude = {toml(list(guard.exclude))}")
    for warning in chosen.warnings:
        terminal.line(f"openvet: warning: {plain(warning, 300)}")
    return 0


def _files(policy: PolicyFile) -> Iterator[str]:
    names = dict.fromkeys(
        [policy.path.name, "openvet.toml", "openvet-install.toml", OPENVET_LOCK, INSTALL_LOCK, BASELINE_TOML]
    )
    for name in names:
        path = policy.folder / name
        if policy.files is not None:
            if policy.files.read(path, MAX_FILE_BYTES) is not None:
                yield shown_in(policy.files, name)
        elif path.exists():
            yield name if policy.scope == "project" else str(path)


def _keys(policy: PolicyFile, chosen: Setting) -> Iterator[tuple[str, str]]:
    """Yield `key = value` and the place, install keys with those that no file gives last."""
    documents = [document for _raw, document in documents_of(policy.scope, policy.path, policy.files).values()]
    first = documents[0].name if documents else ""
    said: set[str] = set()
    for document in documents:
        for path, value in _leaves(document):
            shown = path[1:] if path[0] == "install" else path
            said.add(spell(shown))
            place = document.place(path)
            place = place.removeprefix(first) if place.startswith(f"{first}:") else place
            if shown == ("mode",) and (instead := chosen.mode_places[policy.scope]) != policy.settings.said.get("mode"):
                yield (
                    f'mode = "{chosen.modes[policy.scope].value}"',
                    f"{instead} ({document.place(path)}: {toml(value)})",
                )
            else:
                yield f"{plain(spell(shown), 300)} = {plain(toml(value), 300)}", plain(place, 300)
    base = Settings()
    for one in fields(Settings):
        key = one.name.replace("_", "-")
        if key in said or one.name in _LISTS:
            continue
        instead = chosen.mode_places[policy.scope] if key == "mode" else None
        value = chosen.modes[policy.scope].value if key == "mode" else getattr(base, one.name)
        yield f"{key} = {toml(value)}", instead or "default"


def _leaves(document: Document) -> Iterator[tuple[Path_, Any]]:
    def walk(path: Path_, value: Any) -> Iterator[tuple[Path_, Any]]:
        if isinstance(value, dict):
            for key, one in value.items():
                yield from walk((*path, key), one)
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for number, one in enumerate(value):
                yield from walk((*path, number), one)
        else:
            yield path, value

    yield from walk((), document.data)


def toml(value: Any) -> str:
    """Write a value of a policy as TOML, without logins."""
    import tomlkit  # noqa: PLC0415 - only here

    if isinstance(value, timedelta):
        value = length(value)
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, str):
        value = without_login(value)
    if isinstance(value, list):
        value = [without_login(one) if isinstance(one, str) else one for one in value]
    return str(tomlkit.item(value).as_string()).strip()
