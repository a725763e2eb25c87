"""Where policies lie: the machine's, the user's, and the project's found from a folder upwards.

The project's is looked for up to the repository root, the home folder, a file-system boundary or a
change of owner (threat T52). Each policy is read whole; nothing is merged.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.config.baseline import BASELINE_TOML, read_baseline
from openvet_install.config.reader import INSTALL_TOML, MAX_FILE_BYTES, OPENVET_TOML, is_there, read_policy
from openvet_install.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from openvet_install.config.model import Files, PolicyFile

MACHINE_FOLDER = Path("/etc/openvet")
_TOGETHER = (
    *(OPENVET_TOML, INSTALL_TOML, BASELINE_TOML),
    *("openvet.lock", "openvet-install.lock", "openvet.bundle"),
)
"""What a policy says, forgives, trusts and knows: who can write one of them can write it."""


def user_folder(environ: Mapping[str, str]) -> Path:
    """Return OpenVet's configuration folder of the user."""
    if base := environ.get("XDG_CONFIG_HOME"):
        return Path(base) / "openvet"
    import platformdirs  # noqa: PLC0415 - only where the XDG names do not say it

    return Path(platformdirs.user_config_dir("openvet", appauthor=False))


def discover(start: Path, home: Path | None) -> Path | None:
    """Return the project's policy file, looking upwards from `start`; None if there is none."""
    folder = start.resolve()
    first = folder.stat()
    while True:
        if (found := _policy_in(folder)) is not None:
            return found
        if (folder / ".git").exists() or folder in (home, folder.parent):
            return None
        above = folder.parent.stat()
        if above.st_dev != first.st_dev or above.st_uid not in (first.st_uid, 0):
            return None
        folder = folder.parent


def policies(
    start: Path,
    environ: Mapping[str, str],
    today: date,
    *,
    project: Path | None = None,
    machine: Path = MACHINE_FOLDER,
    owner: str | None = None,
    revision: str | None = None,
) -> tuple[PolicyFile, ...]:
    """Read the policies that apply, machine first; empty when there is none at all.

    `project` names the project's folder instead of looking upwards. With `revision` the project's policy is that of a
    branch, tag or commit, and which folder it is in is looked for there too. Raises `ConfigError`: faults in a
    file, a machine or user policy that others can write, a named project without a policy.
    """
    found = []
    for scope, folder in (("machine", machine), ("user", user_folder(environ))):
        if (path := _policy_in(folder, user=scope == "user")) is not None:
            _refuse_writable(path)
            found.append(_whole(scope, path, today, owner))
    if revision is not None:
        found.append(_of_revision(revision, project, start, environ, today=today, owner=owner))
        return tuple(found)
    home = Path(environ["HOME"]) if environ.get("HOME") else None
    path = _policy_in(project) if project is not None else discover(start, home)
    if project is not None and path is None:
        raise ConfigError(f"no {OPENVET_TOML} in the project folder", where=str(project))
    if path is not None and all(path != other.path for other in found):
        policy = _whole("project", path, today, owner)
        found.append(replace(policy, warnings=_writable_project(path, here=project or start)))
    return tuple(found)


def _of_revision(
    name: str, project: Path | None, start: Path, environ: Mapping[str, str], *, today: date, owner: str | None
) -> PolicyFile:
    from openvet_install.config.revision import VARIABLE, Revision, chain  # noqa: PLC0415 - only where it is asked for

    folder = (project if project is not None else start).resolve()
    revision = Revision(name, folder, environ)
    for one in [folder] if project is not None else chain(folder, revision.top):
        for file in (OPENVET_TOML, INSTALL_TOML):
            if revision.read(one / file, MAX_FILE_BYTES) is not None:
                return _whole("project", one / file, today, owner, revision)
    raise ConfigError(f"no {OPENVET_TOML} in {name}", where=VARIABLE, hint="what the change itself says does not count")


def _whole(scope: str, path: Path, today: date, owner: str | None, files: Files | None = None) -> PolicyFile:
    """Read a policy with the baseline beside it; the digest covers both."""
    policy = read_policy(scope, path, today, owner, files)
    baseline, raw = read_baseline(path.parent, today, files)
    if not raw:
        return policy
    digest = hashlib.sha256(bytes.fromhex(policy.sha256) + raw).hexdigest()
    return replace(policy, baseline=baseline, sha256=digest)


def _writable_project(path: Path, *, here: Path) -> tuple[str, ...]:
    """Warn of a project's policy that everybody can write; one found above, outside of a repository, is refused.

    There a sticky bit does not help: whoever may make files may plant one (threat T52).
    """
    file, folder = path.stat().st_mode, path.parent.stat().st_mode
    if not (file | folder) & stat.S_IWOTH:
        return ()
    sticky = folder & stat.S_ISVTX and not file & stat.S_IWOTH
    inside = any((one / ".git").exists() for one in (path.parent, *path.parent.parents))
    above = path.parent.resolve() != here.resolve() and not inside
    what = path if file & stat.S_IWOTH else path.parent
    if above:
        raise ConfigError(
            "a policy from a folder above that everybody can write is not taken", where=str(what),
            hint=f"chmod o-w {what}    or name it: --openvet-project {path.parent}",
        )  # fmt: skip
    return () if sticky else (f"everybody can write {what}; chmod o-w {what}",)


def _policy_in(folder: Path, *, user: bool = False) -> Path | None:
    for name in (INSTALL_TOML,) if user else (OPENVET_TOML, INSTALL_TOML):
        if is_there(folder / name):
            return folder / name
    return None


def _refuse_writable(path: Path) -> None:
    for place in (one for one in (path.parent, *(path.parent / name for name in _TOGETHER)) if one.exists()):
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise ConfigError(
                "a policy that everybody can write is not taken", where=str(place), hint=f"chmod o-w {place}"
            )
