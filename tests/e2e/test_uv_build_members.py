"""`uv build` where sources that a build does not need lead past every index: it needs none of them."""

import pytest

from tests.support.folders import folder, sources, workspace
from tests.support.stage import BENIGN, YES

UV = "openvet-uv"
GIT = sources("elsewhere", 'git = "file:///nowhere/repository"')


@pytest.fixture
def stage(stage):
    (stage.project / ".git").mkdir()
    stage.wheel("good", "1.0", YES)
    stage.wheel("more", "1.0", YES)
    stage.policy(BENIGN + 'local-projects = ["."]\n')
    return stage


@pytest.mark.parametrize("where", ["root", "own", "another member"])
@pytest.mark.parametrize("words", [["--package", "app"], ["packages/app"], ["--all-packages"]], ids=" ".join)
def test_a_repository_for_another_name(stage, words, where):
    more = "lib = { workspace = true }\nmaker = { workspace = true }\n"
    workspace(stage, GIT + more if where == "root" else "[tool.uv.sources]\n" + more)
    own = GIT if where == "own" else ""
    folder(stage, "packages/app", requires=["elsewhere", "lib"], build=["good", "maker"], more=own + more * bool(own))
    folder(stage, "packages/lib", requires=["elsewhere"], more=GIT if where == "another member" else "")
    folder(stage, "packages/maker", requires=["more"])
    ended = stage.run(UV, "build", "--wheel", *words, "-o", "out")
    assert ended.code == 0, ended.err
    assert (stage.project / "out/app-1.0-py3-none-any.whl").exists()
    assert {"app", "maker"} <= set(stage.marker.read_text().split())
