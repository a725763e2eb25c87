"""T01, T05: a project of ours leads nowhere else by a detour: an extra that names another, sources of its workspace."""

import pytest

from tests.attack.gate.test_t04_projects import folder
from tests.support.attacks import BOTH, UV, everything, evil_sdist, stopped
from tests.support.stage import WARN, YES


@pytest.mark.parametrize("words", [["."], [".[all]"], ["-e", ".[all]"]], ids=" ".join)
@BOTH
def test_no_extra_leads_to_another_folder(stage, tool, words):
    path = evil_sdist(stage)
    extras = f'[project.optional-dependencies]\nall = ["mine[other]"]\nother = ["evil @ {path.as_uri()}"]\n'
    folder(stage, more=extras)
    stage.policy(WARN)
    before = everything(stage)
    ended = stage.run(*tool, *words)
    stopped(stage, ended, 64, before=before)


@pytest.mark.parametrize("where", ["member", "root", "elsewhere"])
@pytest.mark.parametrize("edit", [[], ["-e"]], ids=["plain", "editable"])
def test_no_workspace_leads_to_another_folder(stage, where, edit):
    path = evil_sdist(stage)
    folder(stage, requires=["member"], name="top", more=(
        f'[tool.uv.sources]\nevil = {{ path = "{path}" }}\n[tool.uv.workspace]\nmembers = ["member"]\n'
    ))  # fmt: skip
    member = folder(stage, "project/member", "member", requires=["evil"])
    stage.policy(WARN)
    before = everything(stage)
    cwd = {"member": member, "root": stage.project, "elsewhere": stage.folder}[where]
    ended = stage.run(*UV, "--directory", str(cwd), *edit, str(member))
    stopped(stage, ended, 77, before=before)


@pytest.mark.parametrize("where", ["member", "root"])
def test_without_sources_the_index_is_asked(stage, where):
    path = evil_sdist(stage)
    folder(
        stage,
        name="top",
        more=f'[tool.uv.sources]\ngood = {{ path = "{path}" }}\n[tool.uv.workspace]\nmembers = ["*"]\n',
    )
    member = folder(stage, "project/member", "member", requires=["good"])
    stage.wheel("good", "1.0", YES)
    stage.policy()
    ended = stage.run(*UV, "--no-sources", str(member if where == "member" else stage.project), "good")
    assert ended.code == 0, ended.err
    assert stage.installed["good"] == "1.0"
