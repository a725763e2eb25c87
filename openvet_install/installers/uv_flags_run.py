"""The options of `uv run` and of uv's tools, as data. Source: uv 0.13.9, hidden ones included; a test compares."""

from __future__ import annotations

from openvet_install.installers.tokens import CARRY, JUDGE, LATER, NEVER, OURS, Flag
from openvet_install.installers.uv_flags import SYNC
from openvet_install.installers.uv_isolation import UNISOLATED

_ENVIRONMENT_FILES = (Flag(("--env-file",), True, JUDGE), Flag(("--no-env-file",), False, JUDGE))
_WITH = (
    Flag(("--with", "-w"), True, JUDGE),
    Flag(("--with-editable",), True, JUDGE),
    Flag(("--with-requirements",), True, JUDGE),
)

_NOT_OF_RUN = frozenset(
    {
        *("--check", "--no-check", "--dry-run", "--output-format", "--script", "--isolated"),
        *(
            f"--{word}-install-{what}"
            for word in ("no", "only")
            for what in ("local", "project", "workspace", "package")
        ),
    }
)

RUN = (
    *(flag for flag in SYNC if flag.name not in _NOT_OF_RUN),
    *_WITH,
    *_ENVIRONMENT_FILES,
    Flag(("--module", "-m"), False, JUDGE),
    Flag(("--script", "-s"), False, JUDGE),
    Flag(("--gui-script",), False, JUDGE),
    Flag(("--isolated",), False, JUDGE),
    Flag(("--no-sync",), False, JUDGE),
    Flag(("--no-project",), False, JUDGE),
    Flag(("--show-resolution",), False, OURS),
    Flag(("--max-recursion-depth",), True, JUDGE),
)

_OF_PROJECTS = frozenset(
    {
        *("--extra", "--no-extra", "--all-extras", "--no-all-extras", "--group", "--no-group", "--all-groups"),
        *("--only-group", "--only-dev", "--dev", "--no-dev", "--no-default-groups", "--package", "--all-packages"),
        *("--editable", "--no-editable", "--no-editable-package", "--exact", "--inexact", "--active", "--no-active"),
        *("--locked", "--no-locked", "--frozen", "--no-frozen"),
    }
)
_TOOL = (
    *(flag for flag in SYNC if flag.name not in {*_NOT_OF_RUN, *_OF_PROJECTS, *UNISOLATED}),
    *(Flag((name,), name.endswith("package"), LATER, "builds with what the target holds") for name in UNISOLATED),
    Flag(("--isolated",), False, OURS),
)
_OF_BOTH = (
    *_TOOL,
    *_WITH,
    Flag(("--from",), True, JUDGE),
    Flag(("--constraints", "-c", "--constraint"), True, JUDGE),
    Flag(("--overrides", "--override"), True, JUDGE),
    Flag(("--build-constraints", "-b", "--build-constraint"), True, JUDGE),
    Flag(("--lfs",), False, LATER, "version control"),
    Flag(("--torch-backend",), True, CARRY),
)

TOOL_RUN = (
    *_OF_BOTH,
    *_ENVIRONMENT_FILES,
    Flag(("--show-resolution",), False, OURS),
    Flag(("--generate-shell-completion",), True, NEVER, "run uv itself for it"),
)

UVX = (*TOOL_RUN, Flag(("--version", "-V"), False, NEVER, "run uv itself for it"))

TOOL_INSTALL = (
    *_OF_BOTH,
    Flag(("--excludes", "--exclude"), True, JUDGE),
    Flag(("--editable", "-e"), False, CARRY),
    Flag(("--with-executables-from",), True, JUDGE),
    Flag(("--force",), False, CARRY),
)

_NOT_OF_UPGRADE = frozenset(
    {"--no-upgrade", "--refresh", "--no-refresh", "--refresh-package", "--config-settings-package"}
)

TOOL_UPGRADE = (
    *(flag for flag in _TOOL if flag.name not in _NOT_OF_UPGRADE),
    Flag(("--config-setting-package",), True, LATER, "settings for build backends"),
    Flag(("--all",), False, JUDGE),
)
