"""The default groups of a run are those of one project, whatever members are wanted: found by asking uv 0.13.9."""

import pytest

from openvet_install.installers.locks import parse_lock
from openvet_install.installers.passing import flag_table
from openvet_install.installers.tokens import Tokeniser
from openvet_install.installers.uv_wanted import wanted

LOCK = """version = 1
revision = {revision}

[manifest]
members = ["inner", "top"]
default-groups = ["of-lock"]

[[package]]
name = "inner"
version = "1.0"
source = {{ virtual = "inner" }}
default-groups = ["of-entry"]

[[package]]
name = "top"
version = "1.0"
source = {{ virtual = "{place}" }}
default-groups = "all"
"""


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'top'\n")
    (tmp_path / "inner/pyproject.toml").write_text("[tool.uv]\ndefault-groups = ['Of_Member']\n")

    def ask(*words, member="", frozen=True, revision=5, gone=False, place="."):
        if gone:
            (tmp_path / "pyproject.toml").unlink()
            (tmp_path / "inner/pyproject.toml").unlink()
        lock = parse_lock(LOCK.format(revision=revision, place=place), tmp_path / "uv.lock", "uv")
        tokens = Tokeniser(words, tool="uv", equals_in_short=True).all(flag_table("uv", ("sync",)))
        return wanted(tokens, {}, lock, str(tmp_path / member), frozen=frozen)

    return ask


@pytest.mark.parametrize(
    ("words", "more", "groups"),
    [
        ([], {}, {"dev"}),
        ([], {"member": "inner"}, {"of-member"}),
        (["--all-packages"], {"member": "inner"}, {"of-member"}),
        (["--package=inner"], {}, {"of-entry"}),
        (["--package=inner"], {"revision": 4}, {"dev"}),
        (["--package=inner"], {"revision": 4, "frozen": False}, {"of-member"}),
        (["--package=inner", "--package=top"], {}, {"dev"}),
        (["--package=inner", "--no-default-groups"], {}, set()),
        (["--package=inner", "--only-group=x"], {}, set()),
        ([], {"gone": True}, {"*"}),
        ([], {"gone": True, "member": "inner"}, {"of-entry"}),
        ([], {"gone": True, "place": "elsewhere"}, {"of-lock"}),
    ],
)
def test_default_groups(asked, words, more, groups):
    assert asked(*words, **more).groups == groups


@pytest.mark.parametrize(
    ("words", "named", "without"),
    [
        (["--dev", "--no-dev"], set(), {"dev"}),
        (["--no-dev", "--dev"], {"dev"}, set()),
        (["--only-dev", "--no-dev"], {"dev"}, set()),
        (["--all-groups", "--no-group=X_y"], {"*"}, {"x-y"}),
        (["--only-group=x", "--group=y"], {"x", "y"}, set()),
    ],
)
def test_named_groups(asked, words, named, without):
    found = asked(*words)
    assert (found.named_groups, found.without_groups) == (named, without)
