"""The options of pip, per command, as data. Source: the option parsers of pip 26.3; a test compares both."""

from __future__ import annotations

from openvet_install.installers.tokens import CARRY, HELP, JUDGE, NEVER, OURS, UPSTREAM, Flag

VERSION = "26.3"

GENERAL = (
    Flag(("--help", "-h"), False, HELP),
    Flag(("--debug",), False, CARRY),
    Flag(("--isolated",), False, JUDGE),
    Flag(("--require-virtualenv", "--require-venv"), False, CARRY),
    Flag(("--python",), True, JUDGE),
    Flag(("--verbose", "-v"), False, CARRY),
    Flag(("--quiet", "-q"), False, CARRY),
    Flag(("--log", "--log-file", "--local-log"), True, CARRY),
    Flag(("--no-input",), False, CARRY),
    Flag(("--keyring-provider",), True, CARRY),
    Flag(("--proxy",), True, NEVER),
    Flag(("--no-proxy-env",), False, NEVER),
    Flag(("--retries",), True, OURS),
    Flag(("--timeout", "--default-timeout"), True, OURS),
    Flag(("--exists-action",), True, CARRY),
    Flag(("--trusted-host",), True, UPSTREAM),
    Flag(("--cert",), True, UPSTREAM),
    Flag(("--client-cert",), True, UPSTREAM),
    Flag(("--cache-dir",), True, NEVER, "in a gated run pip has no cache, openvet keeps the bytes"),
    Flag(("--no-cache-dir",), False, OURS),
    Flag(("--disable-pip-version-check",), False, OURS),
    Flag(("--no-color",), False, CARRY),
    Flag(("--no-python-version-warning",), False, CARRY),
    Flag(("--use-feature",), True, JUDGE),
    Flag(("--use-deprecated",), True, NEVER, "openvet sets it itself"),
    Flag(("--resume-retries",), True, OURS),
)

MAIN = (*GENERAL, Flag(("--version", "-V"), False, HELP))

INDEX = (
    Flag(("--index-url", "-i", "--pypi-url"), True, JUDGE),
    Flag(("--extra-index-url",), True, JUDGE),
    Flag(("--no-index",), False, CARRY),
    Flag(("--refresh-package",), True, CARRY),
    Flag(("--find-links", "-f"), True, JUDGE),
    Flag(("--uploaded-prior-to",), True, CARRY),
)

SELECTION = (
    Flag(("--pre",), False, CARRY),
    Flag(("--all-releases",), True, CARRY),
    Flag(("--only-final",), True, CARRY),
    Flag(("--no-binary",), True, CARRY),
    Flag(("--only-binary",), True, CARRY),
    Flag(("--prefer-binary",), False, CARRY),
)

INSTALL = (
    *GENERAL,
    *INDEX,
    *SELECTION,
    Flag(("--requirement", "-r"), True, JUDGE),
    Flag(("--constraint", "-c"), True, JUDGE),
    Flag(("--build-constraint",), True, JUDGE),
    Flag(("--requirements-from-script",), True, JUDGE),
    Flag(("--no-deps", "--no-dependencies"), False, CARRY),
    Flag(("--only-deps", "--only-dependencies"), False, CARRY),
    Flag(("--editable", "-e"), True, JUDGE),
    Flag(("--dry-run",), False, CARRY),
    Flag(("--target", "-t"), True, JUDGE),
    Flag(("--platform",), True, CARRY),
    Flag(("--python-version",), True, CARRY),
    Flag(("--implementation",), True, CARRY),
    Flag(("--abi",), True, CARRY),
    Flag(("--user",), False, JUDGE),
    Flag(("--no-user",), False, JUDGE),
    Flag(("--root",), True, JUDGE),
    Flag(("--prefix",), True, JUDGE),
    Flag(("--src", "--source", "--source-dir", "--source-directory"), True, CARRY),
    Flag(("--upgrade", "-U"), False, CARRY),
    Flag(("--upgrade-strategy",), True, CARRY),
    Flag(("--force-reinstall",), False, CARRY),
    Flag(("--ignore-installed", "-I"), False, CARRY),
    Flag(("--ignore-requires-python",), False, CARRY),
    Flag(("--no-build-isolation",), False, JUDGE),
    Flag(("--use-pep517",), False, CARRY),
    Flag(("--check-build-dependencies",), False, CARRY),
    Flag(("--break-system-packages",), False, CARRY),
    Flag(("--config-settings", "-C"), True, CARRY),
    Flag(("--compile",), False, CARRY),
    Flag(("--no-compile",), False, CARRY),
    Flag(("--no-warn-script-location",), False, CARRY),
    Flag(("--no-warn-conflicts",), False, CARRY),
    Flag(("--require-hashes",), False, CARRY),
    Flag(("--no-require-hashes",), False, CARRY),
    Flag(("--progress-bar",), True, CARRY),
    Flag(("--root-user-action",), True, CARRY),
    Flag(("--report",), True, CARRY),
    Flag(("--group",), True, JUDGE),
    Flag(("--no-clean",), False, CARRY),
)

_BY_NAME = {flag.name: flag for flag in INSTALL}


def _as_install(*names: str) -> tuple[Flag, ...]:
    return (*GENERAL, *INDEX, *SELECTION, *(_BY_NAME[name] for name in names))


_RESOLVING = (
    *("--requirement", "--constraint", "--build-constraint", "--requirements-from-script", "--no-deps", "--only-deps"),
    *("--src", "--require-hashes", "--no-require-hashes", "--progress-bar", "--no-build-isolation", "--use-pep517"),
    *("--check-build-dependencies", "--ignore-requires-python", "--group", "--no-clean"),
)
_PLATFORM = ("--platform", "--python-version", "--implementation", "--abi")

DOWNLOAD = (
    *_as_install(*_RESOLVING, *_PLATFORM),
    Flag(("--dest", "--destination-dir", "--destination-directory", "-d"), True, JUDGE),
)
WHEEL = (
    *_as_install(*_RESOLVING, "--editable", "--config-settings"),
    Flag(("--wheel-dir", "-w"), True, JUDGE),
    Flag(("--no-verify",), False, CARRY),
)
LOCK = (
    *_as_install(*_RESOLVING, "--editable", "--config-settings"),
    Flag(("--output", "-o"), True, CARRY),
)
INDEX_COMMAND = (*_as_install(*_PLATFORM, "--ignore-requires-python"), Flag(("--json",), False, CARRY))

_TYPED = "give it on the command line"

# What a line of a requirements file may hold besides a requirement; pip knows no other options there.
FILE = (
    Flag(("--index-url", "-i", "--pypi-url"), True, JUDGE),
    Flag(("--extra-index-url",), True, JUDGE),
    Flag(("--no-index",), False, CARRY),
    Flag(("--constraint", "-c"), True, JUDGE),
    Flag(("--requirement", "-r"), True, JUDGE),
    Flag(("--editable", "-e"), True, JUDGE),
    Flag(("--find-links", "-f"), True, JUDGE),
    Flag(("--no-binary",), True, CARRY),
    Flag(("--only-binary",), True, CARRY),
    Flag(("--prefer-binary",), False, CARRY),
    Flag(("--require-hashes",), False, CARRY),
    Flag(("--no-require-hashes",), False, NEVER, _TYPED),
    Flag(("--pre",), False, CARRY),
    Flag(("--all-releases",), True, CARRY),
    Flag(("--only-final",), True, CARRY),
    Flag(("--trusted-host",), True, NEVER, "whom to trust without a certificate is said on the command line"),
    Flag(("--use-feature",), True, NEVER, _TYPED),
    Flag(("--hash",), True, JUDGE),
    Flag(("--config-settings", "-C"), True, NEVER, _TYPED),
)

_OUTDATED = "it asks the index, which is not gated here"

# Commands that pass without a gate (threats 3.1): their own options besides GENERAL. The NEVER ones make the
# command ask an index. For these commands only NEVER of the command's own part counts: nothing is installed.
PASSING: dict[str, tuple[Flag, ...]] = {
    "list": (
        Flag(("--outdated", "-o"), False, NEVER, _OUTDATED),
        Flag(("--uptodate", "-u"), False, NEVER, _OUTDATED),
        Flag(("--editable", "-e"), False, CARRY),
        Flag(("--local", "-l"), False, CARRY),
        Flag(("--user",), False, CARRY),
        Flag(("--path",), True, CARRY),
        Flag(("--format",), True, CARRY),
        Flag(("--not-required",), False, CARRY),
        Flag(("--exclude-editable",), False, CARRY),
        Flag(("--include-editable",), False, CARRY),
        Flag(("--exclude",), True, CARRY),
        *SELECTION,
        *(flag._replace(column=CARRY) for flag in INDEX),
    ),
    "show": (Flag(("--files", "-f"), False, CARRY),),
    "freeze": (
        Flag(("--requirement", "-r"), True, CARRY),
        Flag(("--local", "-l"), False, CARRY),
        Flag(("--user",), False, CARRY),
        Flag(("--path",), True, CARRY),
        Flag(("--all",), False, CARRY),
        Flag(("--exclude-editable",), False, CARRY),
        Flag(("--exclude",), True, CARRY),
    ),
    "inspect": (
        Flag(("--local",), False, CARRY),
        Flag(("--user",), False, CARRY),
        Flag(("--path",), True, CARRY),
    ),
    "check": (),
    "uninstall": (
        Flag(("--requirement", "-r"), True, CARRY),
        Flag(("--yes", "-y"), False, CARRY),
        Flag(("--root-user-action",), True, CARRY),
        Flag(("--break-system-packages",), False, CARRY),
    ),
    "hash": (Flag(("--algorithm", "-a"), True, CARRY),),
    "cache": (Flag(("--format",), True, CARRY),),
    "config": (
        Flag(("--editor",), True, CARRY),
        Flag(("--global",), False, CARRY),
        Flag(("--user",), False, CARRY),
        Flag(("--site",), False, CARRY),
    ),
    "debug": (
        Flag(("--platform",), True, CARRY),
        Flag(("--python-version",), True, CARRY),
        Flag(("--implementation",), True, CARRY),
        Flag(("--abi",), True, CARRY),
    ),
    "completion": (
        Flag(("--bash", "-b"), False, CARRY),
        Flag(("--zsh", "-z"), False, CARRY),
        Flag(("--fish", "-f"), False, CARRY),
        Flag(("--powershell", "-p"), False, CARRY),
    ),
    "help": (),
}

# First words after the command that pass; every other one is refused.
PASSING_WORDS: dict[str, tuple[str, ...]] = {"config": ("list", "get", "debug")}

GATED = {"install": INSTALL, "download": DOWNLOAD, "wheel": WHEEL, "lock": LOCK, "index": INDEX_COMMAND}

# What `--use-feature` may switch on: builds in other ways with the same downloads, and what is always on.
FEATURES = frozenset(
    {
        *("fast-deps", "inprocess-build-deps", "venv-isolation"),
        *("truststore", "no-binary-enable-wheel-cache", "build-constraint"),
    }
)

# Where a command puts archives, by the flag; the working folder is meant where nothing is said.
OUTPUTS = {"download": "--dest", "wheel": "--wheel-dir"}

# Known commands that are neither: the answer in words.
REFUSED = {
    "search": "`pip search` is refused: it asks an index",
}

# Variables of pip that turn a passing command into one that asks an index.
PASSING_DROPPED = ("PIP_OUTDATED", "PIP_UPTODATE")
