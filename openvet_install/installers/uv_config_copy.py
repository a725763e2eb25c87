"""uv's configuration without its folders of files: these go over as options, which name our copies of them (T04)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openvet_install.installers.projects import table_of
from openvet_install.installers.toml_copy import written

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_PROJECTS = frozenset(
    {
        *("workspace", "sources", "managed", "package", "default-groups", "dependency-groups", "dev-dependencies"),
        *("build-backend", "conflicts", "environments", "required-environments"),
    }
)
"""The keys that uv reads in the project's file whatever configuration it has, and takes in no other."""
_KEY = "find-links"


def steers(table: Mapping[str, Any]) -> bool:
    """Tell whether a file has keys that are no project's own."""
    return bool(table.keys() - OF_PROJECTS)


def without_links(table: Mapping[str, Any]) -> str:
    """Return a configuration that says the same to uv but for `find-links`."""
    kept = {key: value for key, value in table.items() if key != _KEY and key not in OF_PROJECTS}
    if "pip" in kept:
        kept["pip"] = {key: value for key, value in table_of(kept, "pip").items() if key != _KEY}
    return written(kept)
