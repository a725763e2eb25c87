"""T75: what is not quite the content of an audited file must not pass for it."""

from __future__ import annotations

import pytest

from openvet_install.archive import ArchiveError
from openvet_install.archive.same import compare
from tests.support.opening import opened
from tests.support.wheels import core_metadata, make_sdist, make_wheel, make_zip, record_of, wheel_text, zip_info

INFO, DATA = "x-1.0.dist-info", "x-1.0.data"
MODULES = {"x/__init__.py": "import x.guard\n", "x/guard.py": "SAFE = True\n"}
POINTS = "[console_scripts]\nx = x:main\n"
SCRIPT = {f"{DATA}/scripts/x-tool": "#!python\nimport x\n"}
WHEEL, RETAGGED = "x-1.0-py3-none-any.whl", "x-1.0-py2-none-any.whl"
LOCAL, SDIST = "x-1.0+cgr.1-py3-none-any.whl", "x-1.0.tar.gz"


def difference(tmp_path, ours, theirs, *, filename=WHEEL, original=RETAGGED):
    audited = opened(tmp_path, theirs, original)
    return compare(opened(tmp_path, ours, filename), audited).difference


def a_wheel(files=None, *, version="1.0", requires=("six>=1",), tag="py3-none-any", **options):
    return make_wheel("x", version, files=files or MODULES, requires=requires, tag=tag, **options)


def with_modes(executable=(), files=None):
    members = {path: text.encode() for path, text in (files or MODULES).items()}
    members |= {f"{INFO}/METADATA": core_metadata("x", "1.0").encode(), f"{INFO}/WHEEL": wheel_text().encode()}
    members[f"{INFO}/RECORD"] = record_of(members, INFO)
    return make_zip(
        [(zip_info(path, mode=0o100755 if path in executable else 0o100644), raw) for path, raw in members.items()]
    )


def with_folder(*folders):
    members = {path: text.encode() for path, text in MODULES.items()}
    members |= {f"{INFO}/METADATA": core_metadata("x", "1.0").encode(), f"{INFO}/WHEEL": wheel_text().encode()}
    members[f"{INFO}/RECORD"] = record_of(members, INFO)
    return make_zip([*((zip_info(path, mode=0o40755), b"") for path in folders), *members.items()])


# -- what is the same


def test_a_wheel_with_another_tag(tmp_path):
    found = compare(opened(tmp_path, a_wheel(), WHEEL), opened(tmp_path, a_wheel(tag="py2-none-any"), RETAGGED))
    assert (found.members, found.difference) == (2, None)


def test_another_local_version_and_what_a_builder_writes(tmp_path):
    rebuilt = {**MODULES, "x-1.0+cgr.1.data/scripts/x-tool": "#!python\nimport x\n"}
    of_the_build = {"sboms/a.spdx.json": "{}", "licenses/LICENSE": "free"}
    rebuilt |= {f"x-1.0+cgr.1.dist-info/{path}": text for path, text in of_the_build.items()}
    ours = a_wheel(rebuilt, version="1.0+cgr.1", entry_points=POINTS)
    assert (
        difference(tmp_path, ours, a_wheel(MODULES | SCRIPT, entry_points=POINTS), filename=LOCAL, original=WHEEL)
        is None
    )


def test_other_spellings_of_the_same_requirements(tmp_path):
    ours, theirs = (core_metadata("x", "1.0", lines) for lines in (["a>=1", "b-x[c-d]"], ["B_x [C.d]", "a (>=1)"]))
    assert difference(tmp_path, a_wheel(metadata=ours), a_wheel(metadata=theirs, tag="py2-none-any")) is None


# -- a wheel of a wheel


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (MODULES | {"x/guard.py": "SAFE = False\n"}, "`x/guard.py` differs"),
        (MODULES | {"x/guard.py": "SAFE = True\n "}, "`x/guard.py` differs"),
        (MODULES | {"x/more.py": ""}, "`x/more.py` is not in the audited file"),
        ({"x/__init__.py": MODULES["x/__init__.py"]}, "`x/guard.py` of the audited file is missing"),
        ({"x/__init__.py": MODULES["x/__init__.py"], "x/Guard.py": MODULES["x/guard.py"]}, "Guard.py` is not in"),
        ({"x/__init__.py": MODULES["x/__init__.py"], "guard.py": MODULES["x/guard.py"]}, "`guard.py` is not in"),
        (MODULES | {"x.pth": "import x\n"}, "`x.pth` is not in"),
        (MODULES | {f"{DATA}/scripts/x-tool": "#!python\nevil\n"}, "x-tool` is not in"),
        (MODULES | {f"{DATA}/data/etc/x.conf": ""}, "etc/x.conf` is not in"),
        (MODULES | {f"{DATA}/headers/x.h": ""}, "x.h` is not in"),
        (MODULES | {f"{INFO}/top_level.txt": "x\n"}, "top_level.txt` is not in"),
        (MODULES | {f"{INFO}/licenses.py": ""}, "licenses.py` is not in"),
        (MODULES | {"x/licenses/evil.py": ""}, "evil.py` is not in"),
        (MODULES | {"x/METADATA": ""}, "METADATA` is not in"),
    ],
    ids=["byte", "space", "more", "less", "case", "moved", "pth", "script", "data", "header", "info", "licence",
         "folder", "name"],
)  # fmt: skip
def test_other_members(tmp_path, files, words):
    assert words in (difference(tmp_path, a_wheel(files), a_wheel(tag="py2-none-any")) or "")


@pytest.mark.parametrize("ours", [True, False], ids=["more", "less"])
@pytest.mark.parametrize("folder", ["evil/", "x/sub/", f"{DATA}/data/etc/", f"{INFO}/odd/"])
def test_a_folder_that_only_one_of_them_has(tmp_path, ours, folder):
    """uv makes it, and Python imports it."""
    wheels = [with_folder(folder), with_folder()] if ours else [with_folder(), with_folder(folder)]
    words = "is an empty folder, not in the audited file" if ours else "an empty folder of the audited file, is missing"
    assert words in (difference(tmp_path, *wheels, original=WHEEL) or "")


@pytest.mark.parametrize("folder", ["x/", f"{INFO}/", f"{INFO}/licenses/", f"{INFO}/sboms/a/"])
def test_a_folder_that_says_nothing(tmp_path, folder):
    """Some builders write an entry for each folder, and the folders of the build may be empty."""
    assert difference(tmp_path, with_folder(folder), with_folder(), original=WHEEL) is None


def test_two_names_that_fall_together_open_nowhere(tmp_path):
    with pytest.raises(ArchiveError, match="differ only in case"):
        opened(tmp_path, a_wheel(MODULES | {"x/Guard.py": ""}), WHEEL)


@pytest.mark.parametrize("scheme", ["purelib", "platlib"])
def test_a_member_that_lands_elsewhere(tmp_path, scheme):
    moved = {"x/__init__.py": MODULES["x/__init__.py"], f"{DATA}/{scheme}/x/guard.py": MODULES["x/guard.py"]}
    assert "is not in the audited file" in (difference(tmp_path, a_wheel(moved), a_wheel(tag="py2-none-any")) or "")


@pytest.mark.parametrize("scheme", ["scripts", "data"])
def test_a_script_that_differs(tmp_path, scheme):
    member = f"{DATA}/{scheme}/x-tool"
    ours = a_wheel(MODULES | {member: "#!python\nevil\n"})
    theirs = a_wheel(MODULES | {member: "#!python\ngood\n"}, tag="py2-none-any")
    assert "x-tool` differs" in (difference(tmp_path, ours, theirs) or "")


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (None, "entry_points.txt` of the audited file is missing"),
        (POINTS + "y = x:y\n", "entry_points.txt` differs"),
        (POINTS + "\n", "entry_points.txt` differs"),
        ("[console_scripts]\nx = x.guard:main\n", "entry_points.txt` differs"),
        (POINTS + "[pytest11]\nx = x.guard\n", "entry_points.txt` differs"),
    ],
)
def test_other_entry_points(tmp_path, points, words):
    theirs = a_wheel(entry_points=POINTS, tag="py2-none-any")
    assert words in (difference(tmp_path, a_wheel(entry_points=points), theirs) or "")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("Requires-Dist: evil\n", "Requires-Dist"),
        ("Requires-Dist: evil; extra == 'x'\n", "Requires-Dist"),
        ("Requires-Python: >=3.99\n", "Requires-Python"),
        ("Provides-Extra: evil\n", "Provides-Extra"),
    ],
)
@pytest.mark.parametrize("ours", [True, False], ids=["more", "less"])
def test_other_promises(tmp_path, more, field, ours):
    head = "Metadata-Version: 2.1\nName: x\nVersion: 1.0\nRequires-Dist: six>=1\n"
    texts = [head + more, head] if ours else [head, head + more]
    wheels = [
        a_wheel(metadata=text, tag=tag) for text, tag in zip(texts, ("py3-none-any", "py2-none-any"), strict=True)
    ]
    assert difference(tmp_path, *wheels) == f"`{field}` is not the same"


def test_another_bound_of_a_requirement(tmp_path):
    theirs = a_wheel(requires=["six>=2"], tag="py2-none-any")
    assert difference(tmp_path, a_wheel(), theirs) == "`Requires-Dist` is not the same"


@pytest.mark.parametrize("ours", [True, False])
def test_other_modes(tmp_path, ours):
    modes = [["x/guard.py"], []] if ours else [[], ["x/guard.py"]]
    wheels = [with_modes(executable) for executable in modes]
    assert difference(tmp_path, *wheels, original=WHEEL) == "`x/guard.py` is executable in one of them only"


def test_another_release_of_the_same_content(tmp_path):
    ours = a_wheel(version="1.1")
    assert "another release" in (
        difference(tmp_path, ours, a_wheel(), filename="x-1.1-py3-none-any.whl", original=WHEEL) or ""
    )


# -- a pure-Python wheel of an sdist

EGG = "x.egg-info"


def an_sdist(files=None, *, egg=None, where="", requires=("six>=1",), **options):
    found = {f"{where}{path}": text for path, text in (files or MODULES).items()}
    found |= {f"{where}{EGG}/{name}": text for name, text in (egg or {}).items()}
    return make_sdist("x", "1.0", files={"setup.py": "", "conftest.py": "", "tests/test_x.py": "", **found},
                      requires=requires, **options)  # fmt: skip


def of_sdist(tmp_path, ours, theirs, filename=WHEEL):
    return difference(tmp_path, ours, theirs, filename=filename, original=SDIST)


@pytest.mark.parametrize("where", ["", "src/"])
def test_a_wheel_of_an_sdist(tmp_path, where):
    egg = {"top_level.txt": "x\n", "entry_points.txt": POINTS}
    info = {f"{INFO}/top_level.txt": "x\n"}
    assert of_sdist(tmp_path, a_wheel(MODULES | info, entry_points=POINTS), an_sdist(egg=egg, where=where)) is None
    assert of_sdist(tmp_path, a_wheel(), an_sdist(where=where)) is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (MODULES | {"x/guard.py": "SAFE = False\n"}, "`x/guard.py` differs"),
        ({"x/__init__.py": MODULES["x/__init__.py"]}, "`x/guard.py` of the audited sdist is missing"),
        (MODULES | {"conftest.py": ""}, "`conftest.py` is of no name that the project declares"),
        (MODULES | {"setup.py": ""}, "`setup.py` is of no name"),
        (MODULES | {"tests/test_x.py": ""}, "`tests/test_x.py` is of no name"),
        (MODULES | {"x/test_x.py": ""}, "`x/test_x.py` is not in the audited sdist"),
        (MODULES | {"x/own_backend.py": "evil"}, "`x/own_backend.py` is not in"),
        (MODULES | {"x.pth": "import x\n"}, "`x.pth` is run at every start"),
        (MODULES | {f"{DATA}/scripts/x": "#!python\n"}, "is installed outside of the package"),
        (MODULES | {f"{DATA}/purelib/x/y.py": ""}, "is installed outside of the package"),
        (MODULES | {f"{INFO}/odd.txt": ""}, "odd.txt` is not in the audited sdist"),
        ({"x/__init__.py": MODULES["x/__init__.py"], "x/sub/guard.py": MODULES["x/guard.py"]}, "sub/guard.py` is not"),
        ({"x/__init__.py": MODULES["x/__init__.py"], "x/Guard.py": MODULES["x/guard.py"]}, "Guard.py` is not in"),
    ],
    ids=["byte", "less", "conftest", "setup", "tests", "from tests", "more", "pth", "script", "data", "info", "moved",
         "case"],
)  # fmt: skip
def test_other_members_than_the_sdist(tmp_path, files, words):
    assert words in (of_sdist(tmp_path, a_wheel(files), an_sdist()) or "")


@pytest.mark.parametrize("path", ["x/fast.so", "x/__pycache__/guard.cpython-311.pyc", "x/guard.pyd"])
def test_code_without_a_source_that_lies_in_the_sdist_too(tmp_path, path):
    # No build takes it along as it is; whoever read the sdist has not read it.
    files = {**MODULES, path: "evil"}
    assert "was not compiled from the sdist" in (of_sdist(tmp_path, a_wheel(files), an_sdist(files)) or "")


def test_an_sdist_whose_guard_is_a_module_of_its_own(tmp_path):
    egg = {"top_level.txt": "x\nxguard\n"}
    assert "`xguard.py` of the audited sdist is missing" in (
        of_sdist(tmp_path, a_wheel(), an_sdist(MODULES | {"xguard.py": "SAFE = True\n"}, egg=egg)) or ""
    )


def test_names_are_declared_by_the_projects_own_egg_info_only(tmp_path):
    planted = MODULES | {"tests/evil.egg-info/top_level.txt": "tests\nx\n", "tests/__init__.py": ""}
    assert "`tests/__init__.py` is of no name" in (
        of_sdist(tmp_path, a_wheel(MODULES | {"tests/__init__.py": "", "tests/test_x.py": ""}), an_sdist(planted)) or ""
    )


def test_a_name_in_two_places(tmp_path):
    twice = MODULES | {f"src/{path}": "evil" for path in MODULES}
    assert "`x` in two places" in (of_sdist(tmp_path, a_wheel(), an_sdist(twice)) or "")


def test_a_wheel_that_is_not_pure(tmp_path):
    tag = "cp311-cp311-linux_x86_64"
    assert "not a pure-Python" in (of_sdist(tmp_path, a_wheel(tag=tag), an_sdist(), f"x-1.0-{tag}.whl") or "")
    impure = a_wheel(wheel=wheel_text().replace("true", "false"))
    assert "not a pure-Python" in (of_sdist(tmp_path, impure, an_sdist()) or "")


@pytest.mark.parametrize("egg", [{}, {"entry_points.txt": POINTS}])
def test_other_entry_points_than_the_sdist(tmp_path, egg):
    points = None if egg else POINTS
    assert "entry points" in (of_sdist(tmp_path, a_wheel(entry_points=points), an_sdist(egg=egg)) or "")


def test_entry_points_of_pyproject(tmp_path):
    sdist = an_sdist(more_pyproject='scripts = { x = "x:main" }\n')
    assert of_sdist(tmp_path, a_wheel(entry_points=POINTS), sdist) is None
    assert "entry points" in (of_sdist(tmp_path, a_wheel(), sdist) or "")
    assert "entry points" in (of_sdist(tmp_path, a_wheel(entry_points=POINTS + "y = x:y\n"), sdist) or "")


def test_an_sdist_that_decides_when_it_is_built(tmp_path):
    info = core_metadata("x", "1.0", ["six>=1"]).replace("2.1", "2.2").replace("\n\n", "\nDynamic: Requires-Dist\n\n")
    assert "decided when" in (of_sdist(tmp_path, a_wheel(), an_sdist(pkg_info=info)) or "")


REQUIRES = (
    "guard>=2\n\n[:python_version < '3']\nold\n\n[Web_UI]\nflask; os_name == 'nt'\n[ssl:sys_platform == 'x']\nssl\n"
)
LINES = ("guard>=2", 'old; python_version < "3"', 'flask; os_name == "nt" and extra == "web-ui"',
         "ssl; (sys_platform == 'x') and extra == 'ssl'")  # fmt: skip
TABLE = 'dependencies = ["guard>=2"]\n[project.optional-dependencies]\nWeb_UI = ["flask; os_name == \'nt\'"]\n'


@pytest.mark.parametrize(
    ("egg", "table", "lines"),
    [({"requires.txt": REQUIRES}, "", LINES), ({}, TABLE, (LINES[0], LINES[2]))],
    ids=["requires.txt", "pyproject"],
)
def test_requirements_that_stand_beside_the_metadata_of_an_sdist(tmp_path, egg, table, lines):
    sdist = an_sdist(egg=egg, requires=(), more_pyproject=table)
    extras = sorted({"web-ui", *(["ssl"] if egg else [])})

    def wheel(said):
        head = core_metadata("x", "1.0", said).replace(
            "\n\n", "\n" + "".join(f"Provides-Extra: {e}\n" for e in extras) + "\n"
        )
        return a_wheel(metadata=head)

    assert of_sdist(tmp_path, wheel(lines), sdist) is None
    for left_out in lines:
        said = [line for line in lines if line != left_out]
        assert of_sdist(tmp_path, wheel(said), sdist) == "`Requires-Dist` is not the same"
    assert of_sdist(tmp_path, wheel([*lines, "evil"]), sdist) == "`Requires-Dist` is not the same"
    assert of_sdist(tmp_path, a_wheel(requires=lines), sdist) == "`Provides-Extra` is not the same"


@pytest.mark.parametrize(
    "text",
    ["guard>=\n", "[x:y\nz\n", "[x:no marker]\nguard\n", f"guard; {'(' * 20_000}\n", f"[x:{'(' * 20_000}]\nguard\n"],
)
def test_requirements_that_cannot_be_read(tmp_path, text):
    assert "cannot be read" in (
        of_sdist(tmp_path, a_wheel(requires=()), an_sdist(egg={"requires.txt": text}, requires=())) or ""
    )


def test_requirements_that_stand_in_two_places(tmp_path):
    more = {"x.egg-info/requires.txt": "a\n", "src/x.egg-info/requires.txt": "b\n"}
    sdist = an_sdist(MODULES | more, requires=())
    assert "cannot be read" in (of_sdist(tmp_path, a_wheel(requires=()), sdist) or "")


def test_a_wheel_with_a_folder_of_its_own_of_an_sdist(tmp_path):
    assert "is an empty folder" in (of_sdist(tmp_path, with_folder("x/sub/"), an_sdist(requires=())) or "")
    assert of_sdist(tmp_path, with_folder("x/"), an_sdist(requires=())) is None


def test_an_executable_wheel_of_an_sdist(tmp_path):
    assert "executable" in (of_sdist(tmp_path, with_modes(["x/guard.py"]), an_sdist(requires=())) or "")
