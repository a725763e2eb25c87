"""`find-links` of uv's configuration with folders: judged, and locks are what plain uv writes."""

import pytest

from tests.attack.gate.test_t04_find_links import named, shelf
from tests.support.projects import in_project, lock_of, plain_uv, write
from tests.support.stage import YES

UV = "openvet-uv"
HOW = pytest.mark.parametrize("how", ["relative", "dotted", "absolute", "file"])
WHERE = pytest.mark.parametrize("where", ["pyproject", "uv.toml", "user"])
SCRIPT = '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["good"]\n# ///\nprint("ran")\n'


@pytest.fixture
def stage(stage):
    shelf(stage, "good", "1.0", YES)
    shelf(stage, "good", "2.0")
    stage.policy()
    return in_project(stage)


def configured(stage, text, where="pyproject"):
    write(stage, "good<2", more=f"[tool.uv]\n{text}" if where == "pyproject" else "[tool.uv.sources]\n")
    if where == "uv.toml":
        (stage.project / "uv.toml").write_text(text.replace("[tool.uv.", "["))
    if where == "user":
        place = stage.folder / "config" / "uv"
        place.mkdir(parents=True, exist_ok=True)
        (place / "uv.toml").write_text(text)


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ("relative", "pyproject"),
        ("dotted", "uv.toml"),
        ("absolute", "pyproject"),
        ("file", "user"),
        ("absolute", "user"),
    ],
)
def test_the_lock_is_what_plain_uv_writes(stage, how, where):
    configured(stage, f'no-index = true\nfind-links = ["{named(stage, how)}"]\n', where)
    plain_uv(stage, "lock")
    expected = lock_of(stage)
    (stage.project / "uv.lock").unlink()
    for words in (["lock"], ["lock", "--locked"], ["sync"], ["export"], ["tree"], ["sync", "--locked"], ["sync"]):
        ended = stage.run(UV, *words)
        assert ended.code == 0, (words, ended.err)
        assert lock_of(stage).decode() == expected.decode()
    assert stage.installed == {"good": "1.0"}
    ended = stage.run(UV, "run", "python", "-c", "print('ran')")
    assert (ended.code, ended.out) == (0, "ran\n"), ended.err
    if where != "user":  # uv writes the index into the project, which is configuration, too
        ended = stage.run(UV, "add", "good<1.5")
        assert ended.code == 0, ended.err
    assert stage.leftovers == []


@pytest.mark.parametrize("table", ["", "[tool.uv.pip]\n"], ids=["top", "pip"])
@pytest.mark.parametrize("how", ["relative", "absolute"])
def test_environments(stage, how, table):
    configured(stage, f'{table}no-index = true\nfind-links = ["{named(stage, how)}"]\n')
    plain_uv(stage, "venv", "-q")
    ended = stage.run(UV, "pip", "install", "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    (stage.project / "sub").mkdir()
    ended = stage.run(UV, "--directory", "sub", "pip", "install", "--reinstall", "good", "--python", "../.venv")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("table", ["", "[tool.uv.pip]\n"], ids=["top", "pip"])
@HOW
def test_compiled_files(stage, how, table):
    configured(stage, f'{table}no-index = true\nfind-links = ["{named(stage, how)}"]\n')
    (stage.project / "r.in").write_text("good<2\n")
    words = ["pip", "compile", "r.in"]
    for more in ([], ["--emit-find-links"], ["--format", "pylock.toml"]):
        expected = plain_uv(stage, *words, *more).replace("uv --no-cache pip", "uv pip")
        ended = stage.run(UV, *words, *more)
        assert (ended.code, ended.out) == (0, expected), ended.err
    (stage.project / "r.in").write_text("good==2.0\n")
    assert stage.run(UV, *words, "-o", "out").code == 77


def test_one_run(stage):
    configured(stage, 'no-index = true\nfind-links = ["w"]\n')
    ended = stage.run(UV, "run", "--no-project", "--with", "good", "python", "-c", "import good; print('ran')")
    assert (ended.code, ended.out) == (0, "ran\n"), ended.err
    (stage.project / "job.py").write_text(SCRIPT)
    for each in (["run", "job.py"], ["lock", "--script", "job.py"], ["run", "job.py"], ["sync", "--script", "job.py"]):
        ended = stage.run(UV, *each)
        assert ended.code == 0, (each, ended.err)
        assert ended.out == ("ran\n" if each[0] == "run" else ""), each


def test_what_stays_refused_is_told(stage):
    configured(stage, 'find-links = ["nowhere"]\n')
    ended = stage.run(UV, "lock")
    assert (ended.code, "neither a folder" in ended.err) == (78, True)
    configured(stage, 'find-links = ["w"]\n')
    ended = stage.run(UV, "venv", "--seed", "other")
    assert (ended.code, "venv" in ended.err) == (78, True)


def beside(stage, where):
    """A folder that the user's file names, and a project that says something to uv, too."""
    configured(stage, f'no-index = true\nfind-links = ["{stage.project}/w"]\n[pip]\nno-deps = false\n', "user")
    if where == "pyproject":
        write(stage, "good<2", more='[tool.uv]\nresolution = "lowest"\n')
    else:
        (stage.project / "uv.toml").write_text('resolution = "lowest"\n')
    shelf(stage, "good", "0.5", YES)
    shelf(stage, "bad", "1.0")
    stage.policy()


@pytest.mark.parametrize("where", ["pyproject", "uv.toml"])
def test_the_user_s_file_beside_that_of_a_project(stage, where):
    """uv itself puts them together: it finds the user's with our copies."""
    beside(stage, where)
    plain_uv(stage, "lock")
    expected = lock_of(stage)
    assert b'version = "0.5"' in expected
    (stage.project / "uv.lock").unlink()
    for words in (["lock"], ["sync"], ["lock", "--locked"], ["export"], ["sync", "--locked"]):
        ended = stage.run(UV, *words)
        assert ended.code == 0, (words, ended.err)
        assert lock_of(stage).decode() == expected.decode()
    assert stage.installed == {"good": "0.5"}
    ended = stage.run(UV, "pip", "install", "--reinstall", "good")
    assert ended.code == 0, ended.err
    for words in (["pip", "install", "bad"], ["add", "bad"], ["run", "--with", "bad", "python", "-V"]):
        ended = stage.run(UV, *words)
        assert ended.code == 77, (words, ended.err)
    assert stage.installed == {"good": "0.5"}
    assert stage.leftovers == []


def said(stage, **texts):
    """What the files of the project, the user and the machine say."""
    stage.variables["XDG_CONFIG_DIRS"] = str(stage.folder / "machine")
    places = {"user": stage.folder / "config/uv/uv.toml", "machine": stage.folder / "machine/uv/uv.toml"}
    for where, text in texts.items():
        if where == "project":
            configured(stage, text)
        else:
            places[where].parent.mkdir(parents=True, exist_ok=True)
            places[where].write_text(text.replace("[tool.uv.", "["))


NEAR, FAR = 'resolution = "lowest"\n', 'resolution = "highest"\nno-index = true\n'
FOLDER = 'find-links = ["{w}"]\n'
FILES = {
    "the project's": {"project": FOLDER, "user": NEAR + FAR.partition("\n")[2]},
    "the project's, and what it says": {"project": FOLDER + NEAR, "user": FAR},
    "the project's for pip": {
        "project": f"[tool.uv.pip]\n{FOLDER}",
        "user": f"{NEAR}no-index = true\n[pip]\nno-deps = true\n",
    },
    "the machine's": {"machine": FOLDER + FAR, "project": NEAR},
    "the machine's below the user's": {"machine": FOLDER + FAR, "user": NEAR},
    "several": {"machine": FAR, "user": FOLDER.replace("{w}", "{v}"), "project": FOLDER + NEAR},
}


@pytest.mark.parametrize("kind", FILES)
def test_folders_of_one_of_several_files(stage, kind):
    shelf(stage, "good", "0.5", YES)
    shelf(stage, "bad", "1.0")
    stage.policy()
    (stage.folder / "v").mkdir()
    (stage.project / "w" / "good-0.5-py3-none-any.whl").rename(stage.folder / "v" / "good-0.5-py3-none-any.whl")
    if kind != "several":
        (stage.folder / "v" / "good-0.5-py3-none-any.whl").rename(stage.project / "w" / "good-0.5-py3-none-any.whl")
    write(stage, "good<2")
    texts = {where: text.format(w=stage.project / "w", v=stage.folder / "v") for where, text in FILES[kind].items()}
    said(stage, **texts)
    plain_uv(stage, "venv", "-q")
    plain_uv(stage, "pip", "install", "good<2")
    expected = stage.installed
    plain_uv(stage, "pip", "uninstall", "good")
    ended = stage.run(UV, "pip", "install", "good<2")
    assert (ended.code, stage.installed) == (0, expected), ended.err
    assert stage.run(UV, "pip", "install", "bad").code == 77
    if "pip" not in kind:
        plain_uv(stage, "lock")
        lock = lock_of(stage)
        (stage.project / "uv.lock").unlink()
        for words in (["lock"], ["sync"], ["lock", "--locked"]):
            ended = stage.run(UV, *words)
            assert (ended.code, lock_of(stage)) == (0, lock), ended.err


def locked_as_plainly(stage, *where):
    """Lock plainly and gated, and return which version it came to."""
    folder = stage.project / (where[-1] if where else "")
    plain_uv(stage, *where, "lock")
    expected = (folder / "uv.lock").read_text()
    (folder / "uv.lock").unlink()
    ended = stage.run(UV, *where, "lock")
    assert ended.code == 0, ended.err
    assert (folder / "uv.lock").read_text() == expected
    (folder / "uv.lock").unlink()
    return expected.partition('name = "good"\nversion = "')[2].partition('"')[0]


def test_of_two_files_of_the_machine_uv_reads_one(stage):
    for folder, version in (("one", "1.2"), ("two", "1.1")):
        shelf(stage, "good", version, YES, folder=f"../{folder}/w")
        place = stage.folder / folder / "uv" / "uv.toml"
        place.parent.mkdir(parents=True)
        place.write_text(f'no-index = true\nfind-links = ["{stage.folder}/{folder}/w"]\n')
    stage.policy()
    stage.variables["XDG_CONFIG_DIRS"] = f"{stage.folder / 'none'}:{stage.folder / 'two'}:{stage.folder / 'one'}"
    configured(stage, "find-links = ['w']\n")
    assert locked_as_plainly(stage) == "1.1"
    ended = stage.run(UV, "tool", "run", "--from", "good<2", "python", "-c", "import good, sys; print(good.__file__)")
    assert (ended.code, "good" in ended.out) == (0, True), ended.err


def test_of_two_files_of_projects_uv_reads_one(stage):
    """The nearest, unless that is a member of a workspace; `uv.toml` before what lies beside it."""
    for folder, version in (("w", "1.5"), ("v", "1.2")):
        shelf(stage, "good", version, YES, folder=folder)
    stage.policy()
    near = 'no-index = true\nfind-links = ["../v"]\n'
    configured(stage, 'no-index = true\nresolution = "lowest"\nfind-links = ["w"]\n')
    write(stage, "good<2", folder="sub", name="under", more=f"[tool.uv]\n{near}")
    assert locked_as_plainly(stage, "--directory", "sub") == "1.2"
    write(stage, "good<2", folder="sub", name="under", more="[tool.uv]\nno-index = true\n")
    (stage.project / "sub" / "uv.toml").write_text(near)
    assert locked_as_plainly(stage, "--directory", "sub") == "1.2"
    shelf(stage, "good", "1.9", folder="v")
    ended = stage.run(UV, "--directory", "sub", "add", "good==1.9")
    assert ended.code == 77, ended.err
    (stage.project / "sub" / "uv.toml").unlink()
    write(stage, "good<2", folder="sub", name="under", more=f"[tool.uv]\n{near}")
    configured(stage, 'no-index = true\nfind-links = ["w"]\n[tool.uv.workspace]\nmembers = ["sub"]\n')
    ended = stage.run(UV, "--directory", "sub", "sync", "--all-packages")
    assert (ended.code, stage.installed) == (0, {"good": "1.5"}), ended.err
    (stage.project / "w" / "good-1.5-py3-none-any.whl").unlink()
    (stage.project / "w" / "good-1.0-py3-none-any.whl").unlink()
    ended = stage.run(UV, "--directory", "sub", "lock", "--upgrade")
    assert ended.code == 1, ended.err


def test_add_beside_the_user_s_folder(stage):
    """uv writes its index into the project, which is configuration, too."""
    configured(stage, f'find-links = ["{stage.project}/w"]\n', "user")
    stage.wheel("more", "1.0", YES)
    stage.policy()
    for name in ("more", "good"):
        ended = stage.run(UV, "add", f"{name}<2")
        assert ended.code == 0, ended.err
    assert "[[tool.uv.index]]" in (stage.project / "pyproject.toml").read_text()
    assert stage.installed == {"good": "1.0", "more": "1.0"}


def test_what_else_lies_beside_the_user_s_file_is_there(stage):
    beside(stage, "uv.toml")
    git = stage.folder / "config" / "git"
    git.mkdir()
    (git / "config").write_text("[user]\nname = me\n")
    code = "import os; print(open(os.environ['XDG_CONFIG_HOME'] + '/git/config').read())"
    backend = f"exec({code!r})\n"
    place = stage.project / "mine"
    place.mkdir()
    (place / "backend.py").write_text(backend + "import sys; sys.exit(0)\n")
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    ended = stage.run(UV, "pip", "install", "./mine", "--target", "t")
    assert "name = me" in ended.err


@HOW
def test_exports_name_folders_as_people_do(stage, how):
    configured(stage, "")
    for words in (["--emit-find-links"], ["--emit-find-links", "-o", "out.txt"], ["--no-hashes", "--emit-find-links"]):
        more = ["export", "--no-index", "-f", named(stage, how), *words]
        found = []
        for run in (plain_uv, lambda stage, *words: stage.run(UV, *words).out):
            said = run(stage, *more).replace("uv --no-cache export", "uv export")
            out = stage.project / "out.txt"
            found.append((said, out.read_text().replace("uv --no-cache export", "uv export") if out.exists() else ""))
            out.unlink(missing_ok=True)
        assert found[0] == found[1]
        assert "--find-links" in found[0][0]
    ended = stage.run(UV, "export", "--no-index", "-f", named(stage, how), "-o", "pylock.toml")
    assert (ended.code, "would name files of it" in ended.err) == (64, True), ended.err
