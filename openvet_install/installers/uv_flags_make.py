"""The options of `uv build` and `uv venv`, as data. Source: uv 0.13.9, hidden ones included; a test compares."""

from __future__ import annotations

from openvet_install.installers.tokens import CARRY, JUDGE, LATER, NEVER, OURS, Flag
from openvet_install.installers.uv_flags import GLOBAL, INDEX, SYNC

_BY_NAME = {flag.name: flag for flag in (*GLOBAL, *INDEX, *SYNC)}


def _as_sync(*names: str) -> tuple[Flag, ...]:
    return tuple(_BY_NAME[name] for name in names)


BUILD = (
    *GLOBAL,
    *INDEX,
    Flag(("--package",), True, CARRY),
    Flag(("--all-packages",), False, CARRY),
    Flag(("--out-dir", "-o"), True, CARRY),
    *(Flag((name,), False, CARRY) for name in ("--sdist", "--wheel", "--list", "--clear", "--force-pep517")),
    *(Flag((name,), False, CARRY) for name in ("--build-logs", "--no-build-logs", "--skip-dependency-check")),
    *(Flag((name,), False, CARRY) for name in ("--create-gitignore", "--no-create-gitignore")),
    Flag(("--build-constraints", "-b", "--build-constraint"), True, JUDGE),
    *(Flag((name,), False, CARRY) for name in ("--require-hashes", "--no-require-hashes", "--verify-hashes")),
    Flag(("--no-verify-hashes",), False, NEVER, "hashes in requirement files are always compared"),
    *_as_sync("--upgrade", "--no-upgrade", "--upgrade-package", "--upgrade-group"),
    *_as_sync("--resolution", "--prerelease", "--prerelease-package", "--pre", "--fork-strategy"),
    Flag(("--config-setting", "-C", "--config-settings"), True, CARRY),
    Flag(("--config-settings-package",), True, CARRY),
    Flag(("--no-build-isolation",), False, CARRY),
    Flag(("--build-isolation",), False, CARRY),
    Flag(("--no-build-isolation-package",), True, CARRY),
    *_as_sync("--exclude-newer", "--exclude-newer-package", "--link-mode"),
    Flag(("--no-sources",), False, CARRY),
    Flag(("--no-sources-package",), True, CARRY),
    *_as_sync("--no-build", "--build", "--no-build-package", "--no-binary", "--binary", "--no-binary-package"),
    *_as_sync("--require-build-hashes", "--no-require-build-hashes"),
    *_as_sync("--refresh", "--no-refresh", "--refresh-package", "--python"),
)

VENV = (
    *GLOBAL,
    *(one for one in INDEX if one.name != "--find-links"),
    Flag(("--find-links", "-f"), True, LATER, "folders and pages of files"),
    Flag(("--python", "-p"), True, JUDGE),
    *(Flag((name,), False, CARRY) for name in ("--system", "--no-system", "--no-project", "--force")),
    Flag(("--seed",), False, JUDGE),
    Flag(("--clear", "-c"), False, CARRY),
    Flag(("--no-clear",), False, CARRY),
    Flag(("--allow-existing",), False, CARRY),
    Flag(("--prompt",), True, CARRY),
    *(Flag((name,), False, CARRY) for name in ("--system-site-packages", "--relocatable", "--no-relocatable")),
    *_as_sync("--exclude-newer", "--exclude-newer-package", "--link-mode"),
    *_as_sync("--refresh", "--no-refresh", "--refresh-package"),
    *(Flag((name,), False, OURS) for name in ("--no-seed", "--no-pip", "--no-setuptools", "--no-wheel")),
)
