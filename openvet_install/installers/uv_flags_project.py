"""The options of the commands that write a lock or a project, as data. Source: uv 0.13.9, hidden ones included."""

from __future__ import annotations

from openvet_install.installers.tokens import CARRY, JUDGE, LATER, NEVER, Flag
from openvet_install.installers.uv_flags import SYNC

_ONLY = ("project", "workspace", "local")
_INSTALLS = frozenset(
    {
        *(f"--{word}-install-{what}" for word in ("no", "only") for what in (*_ONLY, "package")),
        *("--reinstall", "--no-reinstall", "--reinstall-package", "--compile-bytecode", "--no-compile-bytecode"),
        *("--inexact", "--exact", "--active", "--no-active", "--check", "--no-check", "--dry-run", "--output-format"),
        "--python-platform",
    }
)
_CHOOSES = frozenset(
    {
        *("--extra", "--no-extra", "--all-extras", "--no-all-extras", "--group", "--no-group", "--all-groups"),
        *("--only-group", "--only-dev", "--dev", "--no-dev", "--no-default-groups", "--package", "--all-packages"),
        *("--editable", "--no-editable", "--no-editable-package"),
    }
)
_SCRIPT = Flag(("--script",), True, JUDGE)
_RESOLVES = tuple(one for one in SYNC if one.name not in {*_INSTALLS, *_CHOOSES, "--script"})
_OF_SYNC = {one.name: one for one in SYNC}
_GIT = "version control as a source is refused: no audit can name what a repository holds"


def _of_sync(*names: str) -> tuple[Flag, ...]:
    return tuple(_OF_SYNC[name] for name in names)


LOCK = (
    *_RESOLVES,
    _SCRIPT,
    Flag(("--check",), False, CARRY),
    Flag(("--check-exists",), False, CARRY),
    Flag(("--dry-run",), False, CARRY),
)
"""`--check` is another name of `--locked`, `--check-exists` of `--frozen`."""

_SYNCS = (
    *_of_sync("--active", "--no-active", "--reinstall", "--no-reinstall", "--reinstall-package"),
    *_of_sync("--compile-bytecode", "--no-compile-bytecode"),
    Flag(("--no-sync",), False, JUDGE),
    Flag(("--package",), True, CARRY),
    _SCRIPT,
)

REMOVE = (
    *_RESOLVES,
    *_SYNCS,
    Flag(("--dev",), False, CARRY),
    Flag(("--optional",), True, CARRY),
    Flag(("--group",), True, CARRY),
)

ADD = (
    *REMOVE,
    *_of_sync(*(f"--{word}-install-{what}" for word in ("no", "only") for what in (*_ONLY, "package"))),
    *_of_sync("--no-editable-package"),
    Flag(("--requirements", "-r", "--requirement"), True, JUDGE),
    Flag(("--constraints", "-c", "--constraint"), True, JUDGE),
    Flag(("--marker", "-m"), True, CARRY),
    Flag(("--bounds",), True, CARRY),
    Flag(("--extra",), True, CARRY),
    Flag(("--raw",), False, CARRY),
    Flag(("--editable",), False, CARRY),
    Flag(("--no-editable",), False, CARRY),
    Flag(("--workspace",), False, CARRY),
    Flag(("--no-workspace",), False, CARRY),
    *(Flag((name,), True, NEVER, _GIT) for name in ("--rev", "--tag", "--branch")),
    Flag(("--lfs",), False, NEVER, _GIT),
)

VERSION = (
    *_RESOLVES,
    *(one for one in _SYNCS if one.name != "--script"),
    Flag(("--bump",), True, CARRY),
    Flag(("--short",), False, CARRY),
    Flag(("--output-format",), True, CARRY),
    Flag(("--dry-run",), False, CARRY),
)

_SHOWS = tuple(one for one in SYNC if one.name in _CHOOSES)

EXPORT = (
    *_RESOLVES,
    *_SHOWS,
    _SCRIPT,
    Flag(("--format",), True, CARRY),
    Flag(("--prune",), True, CARRY),
    Flag(("--output-file", "-o"), True, JUDGE),
    Flag(("--batch",), True, LATER, "several exports at once"),
    *(Flag((f"--{word}-emit-{what}",), False, CARRY) for word in ("no", "only") for what in _ONLY),
    *(Flag((f"--{word}-emit-package",), True, CARRY) for word in ("no", "only")),
    *(Flag((f"--{word}annotate",), False, CARRY) for word in ("", "no-")),
    *(Flag((f"--{word}header",), False, CARRY) for word in ("", "no-")),
    *(Flag((f"--{word}hashes",), False, CARRY) for word in ("", "no-")),
    *(Flag((f"--{word}emit-index-url",), False, CARRY) for word in ("", "no-")),
    *(Flag((f"--{word}emit-find-links",), False, CARRY) for word in ("", "no-")),
)

_NOT_OF_TREE = frozenset(
    {
        *("--extra", "--no-extra", "--all-extras", "--no-all-extras", "--all-packages", "--editable"),
        *("--no-editable", "--no-editable-package", "--refresh", "--no-refresh", "--refresh-package"),
    }
)

TREE = (
    *(one for one in (*_RESOLVES, *_SHOWS) if one.name not in _NOT_OF_TREE),
    _SCRIPT,
    Flag(("--format",), True, CARRY),
    Flag(("--depth", "-d"), True, CARRY),
    Flag(("--prune",), True, CARRY),
    Flag(("--python-version",), True, CARRY),
    Flag(("--python-platform",), True, CARRY),
    Flag(("--universal",), False, CARRY),
    Flag(("--no-dedupe",), False, CARRY),
    Flag(("--invert",), False, CARRY),
    Flag(("--outdated",), False, CARRY),
    Flag(("--show-sizes",), False, CARRY),
)
