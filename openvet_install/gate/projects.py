"""Which folders may be installed as they are: `local-projects` of every policy that has a say (threats T04, T60)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.decide import Action, Decision, Reason
from openvet_install.errors import UsageError
from openvet_install.files import File
from openvet_install.installers.commands import projects_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.config import PolicyFile
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.projects import Project

KEY = "local-projects"


def check_projects(plan: Plan, policies: Sequence[PolicyFile]) -> None:
    """Raise `UsageError` for a folder that is none of the policies' own."""
    for project in projects_of(plan.argv):
        against = opponents(Path(project.path).resolve(), policies)
        if against is None or against:
            who = f" of {against[0].path}" if against else ""
            raise UsageError(
                f"`{project.path}` is not among the `{KEY}`{who}: folders are installed without an audit",
                where=project.origin,
                hint=f'{KEY} = ["."] in the [install] table of a policy in its repository',
            )


def opponents(folder: Path, policies: Sequence[PolicyFile]) -> list[PolicyFile] | None:
    """Return the policies that a folder, links resolved, is none of the `local-projects` of; None if none has a say."""
    speaking = [one for one in policies if one.scope == "project" or KEY in one.settings.said]
    against = [one for one in speaking if not any(map(folder.is_relative_to, _folders(one)))]
    return against if speaking else None


def is_ours(folder: Path, beside: Path, policies: Sequence[PolicyFile]) -> bool:
    """Tell whether a folder may be installed as it is; where no policy has a say, `beside` and what is below it may."""
    against = opponents(folder.resolve(), policies)
    return not against if against is not None else folder.resolve().is_relative_to(beside.resolve())


def _folders(policy: PolicyFile) -> list[Path]:
    """Return the folders, links resolved; a project's policy reaches as far as its repository."""
    folders = [(policy.folder / one).resolve() for one in policy.settings.local_projects]
    if policy.scope != "project":
        return folders
    root = _repository(policy.folder.resolve())
    return [one for one in folders if one.is_relative_to(root)]


def _repository(folder: Path) -> Path:
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def local_decision(project: Project, name: str, version: str) -> Decision:
    """Return the decision for reports about a folder that was installed as it is."""
    filename = f"{name.replace('-', '_')}-{version}.tar.gz"
    file = File(name=name, version=version, filename=filename, url=project.url, index=project.path)
    return Decision(file=file, action=Action.ALLOW, reason=Reason.LOCAL_PROJECT, detail=project.path)
