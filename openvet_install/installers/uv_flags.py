"""The options of uv, per command, as data. Source: uv 0.13.9, hidden options included; a test compares both."""

from __future__ import annotations

from openvet_install.installers.tokens import CARRY, HELP, JUDGE, LATER, NEVER, OURS, UPSTREAM, Flag

VERSION = "0.13.9"
OLDEST = (0, 13, 9)
BELOW = (0, 14, 0)

_DOWNLOADS = "interpreters are not downloaded through the gate"

GLOBAL = (
    Flag(("--help", "-h"), False, HELP),
    Flag(("--no-cache", "-n"), False, CARRY),
    Flag(("--cache-dir",), True, NEVER, "in a gated run uv has a private cache"),
    Flag(("--python-preference",), True, CARRY),
    Flag(("--managed-python",), False, CARRY),
    Flag(("--no-managed-python",), False, CARRY),
    Flag(("--allow-python-downloads",), False, NEVER, _DOWNLOADS),
    Flag(("--no-python-downloads",), False, OURS),
    Flag(("--python-fetch",), True, NEVER, _DOWNLOADS),
    Flag(("--quiet", "-q"), False, CARRY),
    Flag(("--verbose", "-v"), False, CARRY),
    Flag(("--no-color",), False, CARRY),
    Flag(("--color",), True, CARRY),
    Flag(("--native-tls",), False, UPSTREAM),
    Flag(("--no-native-tls",), False, OURS),
    Flag(("--system-certs",), False, UPSTREAM),
    Flag(("--no-system-certs",), False, OURS),
    Flag(("--offline",), False, LATER, "what the cache holds"),
    Flag(("--no-offline",), False, CARRY),
    Flag(("--allow-insecure-host", "--trusted-host"), True, NEVER),
    Flag(("--preview",), False, LATER, "preview features"),
    Flag(("--no-preview",), False, CARRY),
    Flag(("--preview-features", "--preview-feature"), True, LATER, "preview features"),
    Flag(("--isolated",), False, NEVER, "it would make uv ignore the configuration that was judged"),
    Flag(("--show-settings",), False, LATER, "uv's own settings"),
    Flag(("--no-progress",), False, CARRY),
    Flag(("--no-installer-metadata",), False, LATER, "without it the installed files cannot be compared"),
    Flag(("--directory",), True, JUDGE),
    Flag(("--project",), True, JUDGE),
    Flag(("--config-file",), True, JUDGE),
    Flag(("--no-config",), False, JUDGE),
)

MAIN = (*GLOBAL, Flag(("--version", "-V"), False, HELP))

INDEX = (
    Flag(("--index",), True, JUDGE),
    Flag(("--default-index",), True, JUDGE),
    Flag(("--index-url", "-i"), True, JUDGE),
    Flag(("--extra-index-url",), True, JUDGE),
    Flag(("--find-links", "-f"), True, JUDGE),
    Flag(("--no-index",), False, CARRY),
    Flag(("--index-strategy",), True, CARRY),
    Flag(("--keyring-provider",), True, CARRY),
)

PIP_INSTALL = (
    *GLOBAL,
    *INDEX,
    Flag(("--requirements", "-r", "--requirement"), True, JUDGE),
    Flag(("--editable", "-e"), True, JUDGE),
    Flag(("--no-editable",), False, CARRY),
    Flag(("--no-editable-package",), True, CARRY),
    Flag(("--constraints", "-c", "--constraint"), True, JUDGE),
    Flag(("--overrides", "--override"), True, JUDGE),
    Flag(("--excludes", "--exclude"), True, JUDGE),
    Flag(("--build-constraints", "-b", "--build-constraint"), True, JUDGE),
    Flag(("--extra",), True, LATER, "extras of local projects"),
    Flag(("--all-extras",), False, LATER, "extras of local projects"),
    Flag(("--no-all-extras",), False, CARRY),
    Flag(("--group",), True, JUDGE),
    Flag(("--upgrade", "-U"), False, CARRY),
    Flag(("--no-upgrade",), False, CARRY),
    Flag(("--upgrade-package", "-P"), True, JUDGE),
    Flag(("--upgrade-group",), True, LATER, "dependency groups"),
    Flag(("--reinstall", "--force-reinstall"), False, CARRY),
    Flag(("--no-reinstall",), False, CARRY),
    Flag(("--reinstall-package",), True, CARRY),
    Flag(("--resolution",), True, CARRY),
    Flag(("--prerelease",), True, CARRY),
    Flag(("--prerelease-package",), True, CARRY),
    Flag(("--pre",), False, CARRY),
    Flag(("--fork-strategy",), True, CARRY),
    Flag(("--config-setting", "-C", "--config-settings"), True, LATER, "settings for build backends"),
    Flag(("--config-settings-package",), True, LATER, "settings for build backends"),
    Flag(("--no-build-isolation",), False, LATER, "builds with what the target holds"),
    Flag(("--build-isolation",), False, CARRY),
    Flag(("--no-build-isolation-package",), True, LATER, "builds with what the target holds"),
    Flag(("--exclude-newer",), True, CARRY),
    Flag(("--exclude-newer-package",), True, CARRY),
    Flag(("--link-mode",), True, OURS),
    Flag(("--compile-bytecode", "--compile"), False, CARRY),
    Flag(("--no-compile-bytecode", "--no-compile"), False, CARRY),
    Flag(("--no-sources",), False, CARRY),
    Flag(("--no-sources-package",), True, CARRY),
    Flag(("--refresh",), False, CARRY),
    Flag(("--no-refresh",), False, CARRY),
    Flag(("--refresh-package",), True, CARRY),
    Flag(("--no-deps",), False, CARRY),
    Flag(("--deps",), False, CARRY),
    Flag(("--require-hashes",), False, CARRY),
    Flag(("--no-require-hashes",), False, CARRY),
    Flag(("--verify-hashes",), False, CARRY),
    Flag(("--no-verify-hashes",), False, NEVER, "hashes in requirement files are always compared"),
    Flag(("--require-build-hashes",), False, CARRY),
    Flag(("--no-require-build-hashes",), False, CARRY),
    Flag(("--python", "-p"), True, JUDGE),
    Flag(("--system",), False, JUDGE),
    Flag(("--no-system",), False, JUDGE),
    Flag(("--break-system-packages",), False, JUDGE),
    Flag(("--no-break-system-packages",), False, JUDGE),
    Flag(("--target", "-t"), True, LATER, "another target folder"),
    Flag(("--prefix",), True, LATER, "another target folder"),
    Flag(("--no-build",), False, CARRY),
    Flag(("--build",), False, CARRY),
    Flag(("--no-binary",), True, CARRY),
    Flag(("--only-binary",), True, CARRY),
    Flag(("--python-version",), True, LATER, "files for another Python"),
    Flag(("--python-platform",), True, LATER, "files for another platform"),
    Flag(("--inexact", "--no-exact"), False, CARRY),
    Flag(("--exact",), False, CARRY),
    Flag(("--strict",), False, CARRY),
    Flag(("--no-strict",), False, CARRY),
    Flag(("--dry-run",), False, CARRY),
    Flag(("--check",), False, CARRY),
    Flag(("--output-format",), True, CARRY),
    Flag(("--torch-backend",), True, CARRY),
    Flag(("--disable-pip-version-check",), False, CARRY),
    Flag(("--user",), False, CARRY),
    Flag(("--cert",), True, UPSTREAM),
)

_NOT_OF_SYNC = frozenset(
    {
        *("--deps", "--no-deps", "--editable", "--no-editable", "--no-editable-package", "--exact", "--inexact"),
        *("--overrides", "--excludes", "--fork-strategy", "--resolution", "--no-build-isolation-package"),
        *("--disable-pip-version-check", "--pre", "--prerelease", "--prerelease-package", "--requirements"),
        *("--upgrade", "--no-upgrade", "--upgrade-group", "--upgrade-package"),
    }
)

PIP_SYNC = (
    *(flag for flag in PIP_INSTALL if flag.name not in _NOT_OF_SYNC),
    Flag(("--allow-empty-requirements",), False, CARRY),
    Flag(("--no-allow-empty-requirements",), False, CARRY),
    Flag(("--python-executable",), True, NEVER, "use `--python`"),
    Flag(("--client-cert",), True, NEVER, "a client certificate belongs in SSL_CLIENT_CERT: the gateway uses it"),
    Flag(("--config",), True, NEVER, "use `--config-file`"),
    Flag(("--pip-args",), True, NEVER, "uv has no use for it"),
    Flag(("--ask", "-a"), False, NEVER, "uv has no use for it"),
)

GATED: dict[tuple[str, ...], tuple[Flag, ...]] = {("pip", "install"): PIP_INSTALL, ("pip", "sync"): PIP_SYNC}

# Commands that pass without a gate (threats 3.1), by their words.
PASSING = frozenset(
    {
        ("help",),
        ("version",),
        ("init",),
        ("pip", "list"),
        ("pip", "ls"),
        ("pip", "tree"),
        ("pip", "show"),
        ("pip", "freeze"),
        ("pip", "check"),
        ("pip", "uninstall"),
        ("clean",),
        ("cache", "clean"),
        ("cache", "clear"),
        ("cache", "prune"),
        ("cache", "dir"),
        ("cache", "size"),
        ("python", "list"),
        ("python", "ls"),
        ("python", "find"),
        ("python", "dir"),
        ("python", "pin"),
        ("tool", "list"),
        ("tool", "ls"),
        ("tool", "dir"),
        ("tool", "uninstall"),
        ("workspace", "dir"),
        ("workspace", "list"),
        ("self", "version"),
    }
)

# Words that stand in front of another word.
SPACES = frozenset({"pip", "cache", "python", "tool", "workspace", "self", "auth"})

# Options that a passing command may not have. uv knows no abbreviations, so the exact spelling is enough.
PASSING_REFUSED = {
    "--outdated": "it asks the index, which is not gated here",
    "--allow-python-downloads": _DOWNLOADS,
    "--python-fetch": _DOWNLOADS,
    "--python-downloads-json-url": _DOWNLOADS,
}

# All that `uv version` may have here: with a value or more options it changes the project and installs.
VERSION_ONLY = (
    *GLOBAL,
    Flag(("--short",), False, CARRY),
    Flag(("--output-format",), True, CARRY),
    Flag(("--package",), True, CARRY),
)

# Known commands that are neither: the answer in words. Everything else is unknown.
NOT_YET = frozenset(
    {
        ("run",),
        ("add",),
        ("remove",),
        ("sync",),
        ("lock",),
        ("export",),
        ("tree",),
        ("venv",),
        ("build",),
        ("pip", "compile"),
        ("tool", "run"),
        ("tool", "uvx"),
        ("tool", "install"),
        ("tool", "upgrade"),
        ("tool", "update"),
        ("workspace", "metadata"),
    }
)
REFUSED = {
    ("publish",): "it uploads, and the gateway takes nothing out",
    ("auth", "login"): "it reaches past the gateway",
    ("auth", "logout"): "it reaches past the gateway",
    ("auth", "token"): "it reaches past the gateway",
    ("auth", "dir"): "it reaches past the gateway",
    ("auth", "helper"): "it reaches past the gateway",
    ("self", "update"): "it replaces uv without an audit",
    ("python", "install"): _DOWNLOADS,
    ("python", "upgrade"): _DOWNLOADS,
    ("python", "uninstall"): "it does not belong to the gate",
    ("python", "update-shell"): "it does not belong to the gate",
    ("tool", "update-shell"): "it does not belong to the gate",
    ("tool", "audit"): "it asks a service past the gateway",
    ("tool", "ensurepath"): "it does not belong to the gate",
    ("python", "ensurepath"): "it does not belong to the gate",
    ("format",): "it downloads a program without an audit",
    ("check",): "it downloads a program without an audit",
    ("audit",): "it asks a service past the gateway",
    ("upgrade",): "it changes the project without a gate",
    ("build-backend",): "run uv itself for it",
    ("pip", "debug"): "uv does not have it",
    ("generate-shell-completion",): "run uv itself for it",
}
