"""T04: folders whose name says more to uv than a path; to it a path ends at `#`, in an address too, and at a space."""

import pytest

from tests.attack.gate.test_t04_projects import folder
from tests.support.attacks import UV, plain
from tests.support.projects import in_project, write
from tests.support.stage import WARN

LOCAL = WARN + 'local-projects = ["./good#x", "./good ", "./good[", "./ok"]\n'
FORMS = {
    "word": ["./good#x"],
    "editable": ["-e", "./good#x"],
    "address": ["file://D/good%23x"],
    "named": ["mine @ ./good#x"],
    "file": ["-r", "r.txt"],
    "space": ["file://D/good%20"],
    "editable space": ["-e", "file://D/good%20"],
    "extras": ["./good[[a]"],
    "named extras": ["mine[x[y] @ ./good"],
}


def beside(stage, *names):
    """Folders of ours, and one whose name is what uv could read of theirs."""
    folder(stage, "project/good", code="open(FOLDER + '/EVIL', 'w').close()")
    for name in names:
        folder(stage, f"project/{name}")
    (stage.project / ".git").mkdir()
    (stage.project / "r.txt").write_text("./good#x\n")
    stage.policy(LOCAL)


@pytest.mark.parametrize("form", FORMS)
def test_uv_gets_the_folder_that_was_judged(stage, form):
    beside(stage, "good#x", "good ", "good[")
    ended = stage.run(*UV, *(word.replace("D", str(stage.project)) for word in FORMS[form]))
    assert ended.code == (0 if "space" in form else 64), ended.err
    assert not (stage.folder / "EVIL").exists()
    assert stage.leftovers == []


def test_plain_uv_takes_another_one(stage):
    beside(stage, "good#x")
    assert plain(stage, UV, "./good#x") == 0
    assert (stage.folder / "EVIL").exists()


@pytest.mark.parametrize(
    "word", ["./ok#x", "file://D/ok#x", "file://D/ok%23x", "file://D/ok?x", "FILE://D/ok", "./ok;x"]
)
def test_a_project_gets_no_other_folder(stage, word):
    folder(stage, "project/ok", "other")
    for name in ("ok#x", "ok?x", "ok;x"):
        folder(stage, f"project/{name}", "other", code="open(FOLDER + '/EVIL', 'w').close()")
    in_project(stage)
    stage.policy(WARN)
    write(stage)
    before = (stage.project / "pyproject.toml").read_text()
    ended = stage.run("openvet-uv", "add", word.replace("D", str(stage.project)))
    assert ended.code == 64, ended.err
    assert (stage.project / "pyproject.toml").read_text() == before
    assert not (stage.folder / "EVIL").exists()


@pytest.mark.parametrize("words", [["."], ["-e", "."], ["-r", "r.txt"], ["./sub"]], ids=" ".join)
def test_below_a_folder_with_such_a_name(stage, words):
    """Nothing is to be said against `~/C#/project`."""
    folder(stage, "C", "other", code="open(FOLDER + '/EVIL', 'w').close()")
    stage.project = stage.folder / "C#" / "project"
    stage.project.mkdir(parents=True)
    folder(stage, "C#/project")
    folder(stage, "C#/project/sub")
    (stage.project / "r.txt").write_text("-e ./sub\n")
    stage.policy(WARN)
    ended = stage.run(*UV, *words)
    assert ended.code == 0, ended.err
    assert stage.installed == {"mine": "1.0"}
    assert not (stage.folder / "EVIL").exists()
