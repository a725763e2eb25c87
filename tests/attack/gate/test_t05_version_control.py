"""T05: nothing comes from a repository, in any mode: no audit can name what it holds, and git obeys it."""

import io
import shutil
import subprocess
import tarfile

import pytest

from tests.support.attacks import BOTH, PIP, UV, again, everything, plain, stopped
from tests.support.stage import BENIGN, WARN
from tests.support.wheels import make_sdist

FORMS = [["git+U"], ["evil @ git+U"], ["-e", "git+U#egg=evil"], ["-r", "r.txt"], ["-c", "c.txt", "evil"]]


@pytest.fixture
def repository(stage):
    """A repository whose backend would write the marker, named by a `file:` URL."""
    with tarfile.open(fileobj=io.BytesIO(make_sdist("evil", "1.0", marker=stage.marker))) as archive:
        archive.extractall(stage.folder, filter="data")
    place = stage.folder / "evil-1.0"
    git = shutil.which("git")
    assert git is not None
    who = ["-c", "user.name=e", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "evil"]):
        subprocess.run([git, "-C", str(place), *words], check=True, env=stage.variables)
    return place.as_uri()


def test_plain_tools_take_it(stage, repository):
    for tool in (PIP, UV):
        assert plain(stage, tool, again(tool), f"git+{repository}") == 0
        assert stage.marker.exists()
        stage.marker.unlink()


@pytest.mark.parametrize("text", [BENIGN, WARN], ids=["block", "warn"])
@pytest.mark.parametrize("words", FORMS, ids=" ".join)
@BOTH
def test_a_repository_is_blocked_before_anything_starts(stage, repository, tool, words, text):
    (stage.project / "r.txt").write_text(f"evil @ git+{repository}\n")
    (stage.project / "c.txt").write_text(f"evil @ git+{repository}\n")
    stage.policy(text)
    before = everything(stage)
    ended = stage.run(*tool, *[word.replace("U", repository) for word in words])
    stopped(stage, ended, 77, before=before)
    assert "direct-reference" in ended.err
    assert ended.report["outcome"] == "blocked"
    assert stage.index.requests == []
