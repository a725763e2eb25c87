from types import SimpleNamespace

import pytest

from openvet_install.config import PolicyFile
from openvet_install.config.model import Settings
from openvet_install.errors import UsageError
from openvet_install.gate.projects import check_projects
from openvet_install.installers.projects import Project


def policy(folder, scope, local=None):
    said = {"local-projects": "here"} if local is not None else {}
    settings = Settings(local_projects=(".",) if local is None else local, said=said)
    return PolicyFile(scope=scope, path=folder / "openvet.toml", logs={}, lockfiles=(), settings=settings)


@pytest.fixture
def allowed(tmp_path):
    root = tmp_path / "repository"
    for name in ("a", "a/b", "policy"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / ".git").mkdir()
    (tmp_path / "outside").mkdir()
    (root / "a/link").symlink_to(tmp_path / "outside")

    def _allowed(folder, *policies):
        plan = SimpleNamespace(argv=("x", Project(str(root / folder), False, "", "command line")))
        try:
            check_projects(plan, [policy(root / at, scope, local) for at, scope, local in policies])
        except UsageError as fault:
            return fault.hint is None
        return True

    return _allowed


@pytest.mark.parametrize(
    ("folder", "policies", "good"),
    [
        ("a", [], False),
        (".", [(".", "project", None)], True),
        ("a/b", [(".", "project", None)], True),
        ("a", [("policy", "project", None)], False),
        ("a", [("policy", "project", ("../a",))], True),
        ("a", [("policy", "project", ("..",))], True),
        ("../outside", [("policy", "project", ("../..",))], False),
        ("../outside", [("policy", "project", ("/",))], False),
        ("a/link", [(".", "project", (".",))], False),
        ("a/link", [(".", "project", ("a/link",))], False),
        ("a", [(".", "project", ())], False),
        ("a", [(".", "user", None)], False),
        ("a", [(".", "user", (".",))], True),
        ("../outside", [(".", "user", ("../outside",))], True),
        ("a", [(".", "project", None), ("policy", "user", None)], True),
        ("a", [(".", "project", None), ("policy", "machine", (".",))], False),
        ("a", [(".", "project", None), (".", "machine", ("a",))], True),
    ],
)
def test_which_folders_are_ours(allowed, folder, policies, good):
    assert allowed(folder, *policies) is good
