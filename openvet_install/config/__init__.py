"""Policies of machine, user and project: found, read whole, never merged.

- `toml`: a TOML file with the line of every key, and typed access that collects faults;
- `model`: what a policy says (values only);
- `publishers`: `[[install.publisher]]`, which keys each kind needs;
- `reader`: text to `PolicyFile`, unknown keys refused with the nearest known one;
- `baseline`: the generated file beside a policy;
- `guard`: OpenVet's own user file, of which `[guard]` holds in shells;
- `revision`: a project's files in another revision of its repository;
- `places`: where policies lie, and who may have written them.
"""

from openvet_install.config.guard import Guard, parse_guard, read_guard
from openvet_install.config.model import (
    Exemption,
    Lockfile,
    LogSettings,
    Mode,
    PolicyFile,
    Publisher,
    Settings,
    strictest,
)
from openvet_install.config.places import discover, policies, user_folder
from openvet_install.config.reader import parse_policy, read_policy

__all__ = [
    "Exemption",
    "Guard",
    "Lockfile",
    "LogSettings",
    "Mode",
    "PolicyFile",
    "Publisher",
    "Settings",
    "discover",
    "parse_guard",
    "parse_policy",
    "policies",
    "read_guard",
    "read_policy",
    "strictest",
    "user_folder",
]
