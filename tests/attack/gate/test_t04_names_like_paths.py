"""T04: requirements by name that pip takes for a path of this machine, before it reads them as requirements."""

import io
import tarfile

import pytest

from tests.support.attacks import PIP, everything, plain, stopped
from tests.support.stage import BENIGN, WARN, YES
from tests.support.wheels import make_sdist

FORMS = {"folder": "good===x/9", "up": "good===../x.tar.gz", "version": "good===x.zip.tgz", "local": "good==9+x.tar.gz"}
RESPELLED = {"good (==9+x.tar.gz)": "good==9+x.tar.gz", "good==9+x.tar.gz,<9.1": "good<9.1,==9+x.tar.gz"}
"""What names no path as it is typed, and one as it is handed on."""


def beside(stage, line):
    """Put a package that nobody approved where a requirement names it, if it is a path."""
    raw, place = make_sdist("good", "9", marker=stage.marker), stage.project / line
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.name != "9":
        place.write_bytes(raw)
        return
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for member in archive:
            file = place / member.name.partition("/")[2]
            if member.isfile():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.extractfile(member).read())


def staged(stage, line, text=WARN):
    stage.wheel("good", "1.0", YES)
    beside(stage, line)
    stage.policy(text)
    return everything(stage)


@pytest.mark.parametrize("form", FORMS)
def test_plain_pip_takes_them_for_paths(stage, form):
    beside(stage, FORMS[form])
    assert plain(stage, PIP, FORMS[form]) == 0
    assert stage.marker.exists()


@pytest.mark.parametrize("form", FORMS)
def test_in_a_dependency_group(stage, form):
    before = staged(stage, FORMS[form])
    (stage.project / "pyproject.toml").write_text(f'[dependency-groups]\ndev = ["{FORMS[form]}"]\n')
    stopped(stage, stage.run(*PIP, "--group", "dev"), 64, before=before)


@pytest.mark.parametrize("way", ["typed", "-r", "-c", "--build-constraint"])
@pytest.mark.parametrize("line", RESPELLED)
def test_as_we_spell_them(stage, line, way):
    before = staged(stage, RESPELLED[line])
    (stage.project / "r.txt").write_text(f"{line}\n")
    words = [line] if way == "typed" else [way, "r.txt", *([] if way == "-r" else ["good"])]
    stopped(stage, stage.run(*PIP, *words), 64, before=before)


DEEP = "good===x/9; " + "(" * 220 + "python_version > '3'" + ")" * 220
"""Nested more deeply than we read, and not than pip does."""


@pytest.mark.parametrize("line", [*FORMS.values(), " good ==9+x.tar.gz ; python_version > '3'", DEEP])
def test_in_what_builds_an_approved_sdist(stage, line):
    before = staged(stage, line.partition(";")[0].strip())
    stage.sdist("built", "1.0", YES, build_requires=[line])
    stage.policy()
    stopped(stage, stage.run(*PIP, "built"), 65, before=before)


@pytest.mark.parametrize("line", [*FORMS.values(), DEEP.replace("good===x/9", FORMS["local"])])
def test_in_what_builds_a_folder(stage, line):
    before = staged(stage, line.partition(";")[0], BENIGN + 'local-projects = ["."]\n')
    (stage.project / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["{line}"]\n[project]\nname = "mine"\nversion = "1"\n'
    )
    stopped(stage, stage.run(*PIP, "."), 64, before=before)
