"""The index of PyTorch, which uv asks in place of people's own where a backend is named: uv itself says where it is."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from openvet_install.errors import ConfigError
from openvet_install.installers.commands import Index, private_folder
from openvet_install.installers.mirror import write_private
from openvet_install.installers.target import ask
from openvet_install.installers.tokens import has

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.installers.scripts import Script
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around

_ASKED = re.compile(r"request for: (https://\S+)/torch/$", re.MULTILINE)


def with_torch(around: Around, tokens: Sequence[Token] = (), script: Script | None = None) -> Around:
    """Return `around` with the index that `--torch-backend`, its variable or key, also in a script, has uv ask.

    All backends lie on one host, so the one that every machine can have stands for them. Raises `ConfigError` where uv
    does not say which index that is.
    """
    named = has(tokens, "--torch-backend") or around.child.get("UV_TORCH_BACKEND") or around.config.torch
    named = named or (script is not None and script.settings.torch)
    if not named or not around.indexes:
        return around
    with private_folder() as folder:
        write_private(folder / "torch.in", "torch\n")
        command = [
            around.helper.path,
            "pip",
            "compile",
            "-v",
            "--color=never",
            "--offline",
            "--no-cache",
            "--no-config",
        ]
        command += [f"--python={sys.executable}", "--torch-backend=cpu", str(folder / "torch.in")]
        said = ask(command, around.quiet(folder), str(folder)).stderr.decode(errors="replace")
    found = _ASKED.search(said)
    if found is None:
        raise ConfigError(
            f"`{around.helper.path}` does not say which index `--torch-backend` stands for",
            hint="--index URL    names the index of a backend",
        )
    return replace(around, indexes=(*around.indexes, Index(found[1], "--torch-backend", explicit=True)))
