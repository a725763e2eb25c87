"""Files of a project as they are in a revision of its repository: what a change says of itself does not count.

Only git's plumbing is run, on objects that are here: nothing is fetched, no hook, filter or program that a repository's
configuration names is started, no replaced object is taken for the real one. The repository is the one whose `.git`
stands nearest above; a bare one that a change has put in the way is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE = "OPENVET_INSTALL_POLICY_REF"
SECONDS = 60.0
_CONTROL = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|\.$|^/|^-|\.lock$")
"""What no name of a branch or tag holds (git's own rule), so that nothing but a name is taken."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_PLACES = ("refs/", "refs/tags/", "refs/heads/", "refs/remotes/")
_FILES = frozenset({b"100644", b"100755"})
_KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""Where the user's and the machine's own configuration of git lie: it says whose repositories are safe."""
_SAFE = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ASKPASS": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_SSH_COMMAND": "false",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_OVERRIDES = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.pager=cat", "safe.bareRepository=explicit")


class Revision:
    """One commit of the repository around a folder. `name` is what it was asked for as."""

    def __init__(self, name: str, start: Path, environ: Mapping[str, str]) -> None:
        """Find the repository and the commit. Raises `ConfigError` (78)."""
        self.name = name
        self.top = _top(start.resolve())
        self._environ = {key: value for key, value in environ.items() if not key.startswith("GIT_") or key in _KEPT}
        self._environ |= _SAFE | {"GIT_CEILING_DIRECTORIES": str(self.top.parent)}
        self._git = self._program(environ)
        if not name or _CONTROL.search(name):
            raise self._error(f"`{name}` names no branch, tag or commit", "such as origin/main")
        self._check_repository()
        self.commit = self._resolve()

    def read(self, path: Path, limit: int) -> bytes | None:
        """Return a file of the commit, None if it has none there. Raises `ConfigError`, also beyond `limit` bytes.

        `path` lies below the repository's top folder.
        """
        inside = path.relative_to(self.top).as_posix()
        listed = self._run("ls-tree", "-z", "--full-tree", "-l", self.commit, "--", inside)
        if not listed:
            return None
        about, _, _name = listed.partition(b"\t")
        mode, kind, blob, size = about.split()
        where = f"{self.name}:{inside}"
        if mode not in _FILES or kind != b"blob":
            raise ConfigError("no ordinary file", where=where)
        if not size.isdigit():
            hint = "a partial clone lacks it: fetch it first; nothing is fetched here"
            raise ConfigError("its object is not in this checkout", where=where, hint=hint)
        if int(size) > limit:
            raise ConfigError(f"larger than {limit} bytes", where=where)
        return self._run("cat-file", "blob", blob.decode())

    def _program(self, environ: Mapping[str, str]) -> str:
        found = shutil.which("git", path=environ.get("PATH", os.defpath))
        if found is None:
            raise self._error(
                "git was not found on PATH", "install git, or check the policy out yourself: --project DIR"
            )
        if Path(found).resolve().is_relative_to(self.top):
            raise self._error(f"the first git on PATH lies in the repository itself: {found}", "put git's own first")
        return found

    def _check_repository(self) -> None:
        """See that git means the repository that was found, and takes it for one of ours."""
        told = self._run("rev-parse", "--is-bare-repository", "--show-toplevel").decode("utf-8", "surrogateescape")
        bare, _, top = told.rstrip("\n").partition("\n")
        if bare != "false" or Path(top).resolve() != self.top:
            raise self._error(f"git takes {top or 'something else'} for the repository", f"look at {self.top / '.git'}")
        if self._is_submodule():
            hint = "name a folder of the repository around it: --openvet-project DIR, or --project DIR"
            raise self._error(f"{self.top} is a submodule: whose branches it has a change may say", hint)

    def _is_submodule(self) -> bool:
        """Tell whether git keeps the repository for one around it; a worktree's is kept elsewhere than what it shares.

        Where that one is cannot be asked: it may be any number of folders above.
        """
        if (self.top / ".git").is_dir():
            return False
        told = self._run("rev-parse", "--absolute-git-dir", "--git-common-dir").decode("utf-8", "surrogateescape")
        kept, _, shared = told.rstrip("\n").partition("\n")
        return "modules" in Path(kept).parts and (self.top / shared).resolve() == Path(kept).resolve()

    def _resolve(self) -> str:
        full = self.name
        if _COMMIT.fullmatch(full) is None:
            asked = [f"{place}{self.name}" for place in _PLACES]
            found = (
                self._run("for-each-ref", "--format=%(refname)", *asked).decode("utf-8", "surrogateescape").split("\n")
            )
            named = [one for one in asked if one in found] or (
                [full] if full.startswith("refs/") and full in found else []
            )
            if len(named) > 1:
                raise self._error(f"`{self.name}` is {' and '.join(named)}", f"{VARIABLE}={named[-1]}")
            full = named[0] if named else full
        try:
            commit = (
                self._run("rev-parse", "--verify", "--quiet", f"{full}^{{commit}}").decode("ascii", "replace").strip()
            )
        except ConfigError as error:
            hint = "a shallow checkout lacks it: fetch it first; nothing is fetched here"
            raise self._error(f"no commit `{self.name}` in {self.top}", hint) from error
        if _COMMIT.fullmatch(commit) is None:
            raise self._error(f"no commit `{self.name}` in {self.top}", "such as origin/main")
        return commit

    def _run(self, *words: str) -> bytes:
        command = [self._git, "--no-pager", *(part for one in _OVERRIDES for part in ("-c", one)), *words]
        try:
            ended = subprocess.run(  # noqa: S603 - git's plumbing, in an environment of ours
                command, cwd=self.top, env=self._environ, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._error(f"git cannot be run: {error}", "git rev-parse HEAD") from error
        if ended.returncode != 0:
            told = ended.stderr.decode("utf-8", "replace").strip().splitlines()
            said = told[0] if told else f"git ended with {ended.returncode}"
            owned = "dubious ownership" in said
            hint = f"git config --global --add safe.directory {self.top}" if owned else "git -C … rev-parse HEAD"
            raise self._error(said, hint)
        return ended.stdout

    def _error(self, what: str, hint: str) -> ConfigError:
        return ConfigError(what, where=VARIABLE, hint=hint)


def _top(folder: Path) -> Path:
    """Return the folder whose `.git` stands nearest above: no commit can hold an entry of that name."""
    for one in (folder, *folder.parents):
        if os.path.lexists(one / ".git"):
            return one
    raise ConfigError(f"no repository around {folder}", where=VARIABLE, hint="run it in a checkout, or unset it")


def chain(start: Path, top: Path) -> Sequence[Path]:
    """Return `start` and the folders above it up to `top`."""
    found = [start, *start.parents]
    return found[: found.index(top) + 1]
