"""What pip and uv leave on disk is what was released; anything else is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from dataclasses import replace as replace_in
from pathlib import Path

import pytest
import uv

from openvet_install.archive import open_archive
from openvet_install.installers.installed import Places, Release, compare, nothing, snapshot
from openvet_install.installers.wrappers import head_length, is_wrapper
from tests.support.wheels import make_sdist, make_wheel, record_row, sdist_name, wheel_name

UV = os.fsdecode(uv.find_uv_bin())
PLATFORM = f"cp310-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

WHEELS = {
    "alpha": (
        "py3-none-any",
        make_wheel(
            "alpha",
            "1.0",
            files={
                "alpha/__init__.py": "A = 1\n",
                "alpha/guard.py": "SAFE = True\n",
                "alpha/data.json": "{}",
                "alpha-1.0.data/scripts/alpha-tool": "#!python -E\nprint('tool')\n",
                "alpha-1.0.data/scripts/alpha-shell": "#!/bin/sh\necho\n",
                "alpha-1.0.data/scripts/alpha-binary": b"\x7fELF\0\1",
                "alpha-1.0.data/scripts/alpha-script.py": "#!python\nprint('not taken by tools')\n",
                "alpha-1.0.data/data/share/alpha/x.txt": "x",
                "alpha-1.0.data/headers/alpha.h": "#define A\n",
                "alpha-1.0.data/headers/deep/alpha.h": "#define B\n",
                "alpha-1.0.data/purelib/alpha_more.py": "M = 1\n",
                "alpha.pth": "# a comment\n",
            },
            entry_points={"alpha": "alpha:A.__str__", "alpha-two": "alpha.guard:main"},
        ),
    ),
    "beta": (
        PLATFORM,
        make_wheel("beta", "2.0", tag=PLATFORM, files={"beta/_c.abi3.so": b"\x7fELF", "beta/__init__.py": ""}),
    ),
    "gamma": ("py3-none-any", make_wheel("gamma", "3.0", files={"space/gamma.py": "G = 1\n"})),
    "delta": ("py3-none-any", make_wheel("delta", "3.0", files={"space/delta.py": "D = 1\n"})),
}
VERSIONS = {"alpha": "1.0", "beta": "2.0", "gamma": "3.0", "delta": "3.0"}
FIRST, THEN = ("gamma",), ("alpha", "beta", "delta")


def release_of(path: Path) -> Release:
    contents = open_archive(path, path.name)
    return Release(
        name=contents.name,
        version=contents.version,
        kind=contents.kind,
        members=contents.members,
        scripts=contents.scripts,
        script_tails=contents.script_tails,
    )


def by_name(*releases: Release) -> dict[tuple[str, str], list[Release]]:
    found: dict[tuple[str, str], list[Release]] = {}
    for one in releases:
        found.setdefault((one.name, one.version), []).append(one)
    return found


@dataclass
class Environment:
    """A target with `gamma` installed before the run, and the rest by it."""

    prefix: Path
    places: Places
    before: object
    released: dict
    tool: str

    @property
    def site(self) -> Path:
        return self.places.site[0]

    def findings(self, **changes):
        options = {"compiled": self.tool == "pip", **changes}
        return compare(self.before, snapshot(self.places), self.released, **options)

    def told(self, **changes):
        return [(one.name, Path(one.path).name, one.reason) for one in self.findings(**changes)]


def places_of(prefix: Path) -> Places:
    site = prefix / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    return Places(site=(site, site), scripts=prefix / "bin", data=prefix, python=prefix / "bin" / "python")


def run(*command: object) -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_", "VIRTUAL_ENV"))}
    quiet = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_CACHE": "1"}
    subprocess.run(list(map(str, command)), check=True, env=environ | quiet, capture_output=True)


def install(tool: str, prefix: Path, *what: object, more: tuple[str, ...] = ()) -> None:
    if tool == "pip":
        python = prefix / "bin" / "python"
        run(
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--no-deps",
            "--no-index",
            "--no-build-isolation",
            *more,
            *what,
        )
    else:
        options = ("--no-deps", "--no-index", "--link-mode", "copy", "--python", prefix / "bin" / "python")
        run(UV, "pip", "install", *options, *more, *what)


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    paths = {}
    for name, (tag, content) in WHEELS.items():
        paths[name] = folder / wheel_name(name, VERSIONS[name], tag)
        paths[name].write_bytes(content)
    return paths


@pytest.fixture(scope="session", params=["pip", "uv"])
def pristine(request, tmp_path_factory, wheelhouse):
    """One target for each tool; it is restored after each test that changes it."""
    prefix = tmp_path_factory.mktemp(request.param) / "environment"
    run(UV, "venv", "--python", sys.executable, prefix)
    places = places_of(prefix)
    install(request.param, prefix, *(wheelhouse[name] for name in FIRST))
    before = snapshot(places)
    install(request.param, prefix, *(wheelhouse[name] for name in THEN))
    released = by_name(*(release_of(wheelhouse[name]) for name in THEN))
    return Environment(prefix, places, before, released, request.param)


@pytest.fixture
def env(pristine, tmp_path):
    """The target; what a test changes is put back, and the older files count as they are then."""
    kept = tmp_path / "kept"
    shutil.copytree(pristine.prefix, kept, symlinks=True)
    yield replace_in(pristine, released={key: list(value) for key, value in pristine.released.items()})
    for path in sorted(pristine.prefix.rglob("*"), reverse=True):
        there = kept / path.relative_to(pristine.prefix)
        if not there.is_symlink() and not there.exists():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for there in kept.rglob("*"):
        path = pristine.prefix / there.relative_to(kept)
        if there.is_symlink() or there.is_dir():
            path.is_symlink() or there.is_symlink() or path.mkdir(exist_ok=True)
        elif path.is_symlink() or not path.exists() or path.read_bytes() != there.read_bytes():
            path.unlink(missing_ok=True)
            shutil.copy2(there, path)
    now = snapshot(pristine.places).stamps
    pristine.before = pristine.before._replace(stamps={path: now[path] for path in pristine.before.stamps})


def test_what_was_released_is_what_is_there(env):
    assert env.findings() == ()


def test_the_target_holds_what_the_test_is_about(env):
    after = snapshot(env.places).stamps
    names = {Path(path).name for path in after}
    assert {"alpha", "alpha-two", "alpha-tool", "alpha-binary", "_c.abi3.so", "alpha.pth"} <= names
    assert (env.prefix / "share" / "alpha" / "x.txt").exists()
    assert list((env.prefix / "include").rglob("deep/alpha.h"))
    assert (env.places.scripts / "alpha-tool").read_bytes().startswith(f"#!{env.prefix}".encode())


FOUND, CHANGED = "unexpected-file", "hash-mismatch"
TAMPERS = {
    "a changed module": (
        lambda e: (e.site / "alpha/guard.py").write_text("SAFE = 1\n"),
        ("alpha", "guard.py", CHANGED),
    ),
    "a module left out": (lambda e: (e.site / "alpha/guard.py").unlink(), ("alpha", "guard.py", CHANGED)),
    "an unlisted module": (lambda e: (e.site / "alpha/evil.py").write_text(""), ("", "evil.py", FOUND)),
    "an unlisted pth": (lambda e: (e.site / "evil.pth").write_text("import os"), ("", "evil.pth", FOUND)),
    "an unlisted so": (lambda e: (e.site / "beta/_d.so").write_bytes(b"1"), ("", "_d.so", FOUND)),
    "bytecode without source": (lambda e: (e.site / "alpha/evil.pyc").write_bytes(b"1"), ("", "evil.pyc", FOUND)),
    "a file of another": (lambda e: (e.site / "space/gamma.py").write_text("G = 2\n"), ("gamma", "gamma.py", CHANGED)),
    "a changed wrapper": (
        lambda e: append(e.places.scripts / "alpha", "import os\n"),
        ("alpha", "alpha", CHANGED),
    ),
    "a changed script": (
        lambda e: append(e.places.scripts / "alpha-tool", "import os\n"),
        ("alpha", "alpha-tool", CHANGED),
    ),
    "another interpreter": (
        lambda e: first_line(e.places.scripts / "alpha-tool", b"#!/tmp/python\n"),
        ("alpha", "alpha-tool", CHANGED),
    ),
    "a wrapper with another interpreter": (
        lambda e: first_line(e.places.scripts / "alpha", b"#!/tmp/python\n"),
        ("alpha", "alpha", CHANGED),
    ),
    "a changed binary": (lambda e: append(e.places.scripts / "alpha-binary", "1"), ("alpha", "alpha-binary", CHANGED)),
    "a new command": (lambda e: (e.places.scripts / "ls").write_text("#!/bin/sh\n"), ("", "ls", FOUND)),
    "a changed command of the environment": (
        lambda e: append(e.places.scripts / "activate", "evil\n"),
        ("", "activate", CHANGED),
    ),
    "a new interpreter": (lambda e: (e.places.scripts / "python9").symlink_to("/tmp"), ("", "python9", FOUND)),
    "a changed data file": (lambda e: append(e.prefix / "share/alpha/x.txt", "y"), ("alpha", "x.txt", CHANGED)),
    "a data file left out": (lambda e: (e.prefix / "share/alpha/x.txt").unlink(), ("alpha", "x.txt", CHANGED)),
    "a changed header": (
        lambda e: append(next((e.prefix / "include").rglob("deep/alpha.h")), "y"),
        ("alpha", "alpha.h", CHANGED),
    ),
    "changed metadata": (
        lambda e: append(e.site / "alpha-1.0.dist-info/METADATA", "y"),
        ("alpha", "METADATA", CHANGED),
    ),
    "a changed entry point": (
        lambda e: append(e.site / "alpha-1.0.dist-info/entry_points.txt", "x = os:system\n"),
        ("alpha", "entry_points.txt", CHANGED),
    ),
    "a file in the metadata folder": (
        lambda e: (e.site / "alpha-1.0.dist-info/evil.py").write_text(""),
        ("alpha", "evil.py", FOUND),
    ),
    "a module that became a link": (lambda e: link(e.site / "alpha/guard.py"), ("alpha", "guard.py", CHANGED)),
    "another distribution": (
        lambda e: distribution(e.site, "evil", "1.0"),
        ("evil", "evil-1.0.dist-info", FOUND),
    ),
    "old-style metadata": (
        lambda e: (e.site / "evil.egg-info").write_text("Name: evil\n"),
        ("", "evil.egg-info", FOUND),
    ),
    "another version": (
        lambda e: replace(e.site / "beta-2.0.dist-info/METADATA", "Version: 2.0", "Version: 2.1"),
        ("beta", "beta-2.0.dist-info", FOUND),
    ),
    "no RECORD": (lambda e: (e.site / "beta-2.0.dist-info/RECORD").unlink(), ("beta", "beta-2.0.dist-info", FOUND)),
    "an older distribution changed": (
        lambda e: append(e.site / "gamma-3.0.dist-info/METADATA", "y"),
        ("gamma", "gamma-3.0.dist-info", FOUND),
    ),
}


def append(path: Path, text: str) -> None:
    with path.open("ab") as file:
        file.write(text.encode())


def replace(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def first_line(path: Path, line: bytes) -> None:
    path.write_bytes(line + path.read_bytes().partition(b"\n")[2])


def link(path: Path) -> None:
    path.rename(path.parent.parent / "moved.py")
    path.symlink_to("../moved.py")


def distribution(site: Path, name: str, version: str) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/RECORD,,\n")


@pytest.mark.parametrize("tamper", TAMPERS)
def test_a_tamper_is_found(env, tamper):
    change, expected = TAMPERS[tamper]
    change(env)
    assert expected in env.told()


@pytest.mark.parametrize("row", [True, False])
def test_a_tampered_record_does_not_hide_a_file(env, row):
    """A file that the suspect's RECORD lists, with its digest, is as unexpected as any other."""
    (env.site / "alpha/evil.py").write_text("evil\n")
    if row:
        append(env.site / "alpha-1.0.dist-info/RECORD", record_row("alpha/evil.py", b"evil\n"))
    assert ("alpha" if row else "", "evil.py", "unexpected-file") in env.told()


def test_a_record_that_claims_what_is_not_its_own(env):
    append(env.site / "alpha-1.0.dist-info/RECORD", "../../../bin/python,,\nspace/gamma.py,,\n")
    assert {("alpha", "python", "unexpected-file"), ("alpha", "gamma.py", "unexpected-file")} <= set(env.told())


def test_a_changed_module_and_its_row(env):
    (env.site / "alpha/guard.py").write_text("SAFE = 1\n")
    record = env.site / "alpha-1.0.dist-info/RECORD"
    lines = [one for one in record.read_text().splitlines(keepends=True) if not one.startswith("alpha/guard.py,")]
    record.write_text("".join(lines) + record_row("alpha/guard.py", b"SAFE = 1\n"))
    assert ("alpha", "guard.py", "hash-mismatch") in env.told()


def test_bytecode_is_taken_only_if_this_run_compiled(env):
    folder = env.site / "alpha" / "__pycache__"
    folder.mkdir(exist_ok=True)
    (folder / "guard.cpython-311.pyc").write_bytes(b"1")
    assert env.told(compiled=True) == []
    assert ("", "guard.cpython-311.pyc", "unexpected-file") in [("", *one[1:]) for one in env.told(compiled=False)]
    (folder / "evil.cpython-311.pyc").write_bytes(b"1")
    assert ("", "evil.cpython-311.pyc", "unexpected-file") in env.told(compiled=True)


def test_bytecode_of_older_sources_is_pythons_own(env):
    (env.site / "older.py").write_text("")
    env.before = snapshot(env.places)
    for name in ("space/__pycache__/gamma.cpython-311.pyc", "__pycache__/older.cpython-311.opt-1.pyc"):
        (env.site / name).parent.mkdir(exist_ok=True)
        (env.site / name).write_bytes(b"1")
    assert env.told(compiled=False) == []
    (env.site / "older.py").write_text("changed")
    assert {name for _, name, _ in env.told(compiled=False)} == {"older.py", "older.cpython-311.opt-1.pyc"}


def test_a_file_that_was_there_before_is_not_of_this_run(pristine):
    planted = pristine.site / "planted.pth"
    planted.write_text("")
    try:
        before = snapshot(pristine.places)
        assert compare(before, snapshot(pristine.places), {}, compiled=False) == ()
        told = compare(nothing(before), before, pristine.released, compiled=pristine.tool == "pip")
        assert ("", "planted.pth") in [(one.name, Path(one.path).name) for one in told]
    finally:
        planted.unlink()


def test_a_whole_environment(env, wheelhouse):
    after = snapshot(env.places)
    env.released = env.released | by_name(release_of(wheelhouse["gamma"]))
    assert compare(nothing(after), after, env.released, compiled=env.tool == "pip") == ()
    del env.released["gamma", "3.0"]
    (one,) = compare(nothing(after), after, env.released, compiled=env.tool == "pip")
    assert (one.name, one.reason, one.text) == ("gamma", "unexpected-file", "`gamma` 3.0 was not released in this run")


def test_a_script_in_place_of_a_python_belongs_to_nobody(env, wheelhouse):
    env.released = env.released | by_name(release_of(wheelhouse["gamma"]))
    planted = [env.places.scripts / name for name in ("python3", "python3.99")]
    for path in planted:
        path.unlink(missing_ok=True)
        path.write_text("#!/bin/sh\n")
    after = snapshot(env.places)
    told = compare(nothing(after), after, env.released, compiled=env.tool == "pip")
    assert sorted(one.path for one in told) == sorted(map(str, planted))


def test_first_party_projects_are_not_compared(env):
    del env.released["delta", "3.0"]
    assert [one.name for one in env.findings()] == ["delta"]
    assert env.findings(local={"delta"}) == ()


def test_the_release_that_fits_speaks(env):
    wrong = Release(name="alpha", version="1.0", kind="wheel", members={"alpha-1.0.dist-info/METADATA": "0" * 64})
    env.released["alpha", "1.0"].insert(0, wrong)
    assert env.findings() == ()
    env.released["alpha", "1.0"].pop()
    assert ("alpha", "METADATA", "hash-mismatch") in env.told()


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_an_sdist_is_known_by_name_and_version(tmp_path, tool):
    prefix = tmp_path / "an environment"  # tools write other wrappers where paths have spaces
    run(UV, "venv", "--python", sys.executable, prefix)
    places = places_of(prefix)
    before = snapshot(places)
    sdist = tmp_path / sdist_name("built", "1.0")
    sdist.write_bytes(make_sdist("built", "1.0"))
    wheel = tmp_path / wheel_name("alpha", "1.0")
    wheel.write_bytes(WHEELS["alpha"][1])
    install(tool, prefix, sdist, wheel)
    both = by_name(release_of(sdist), release_of(wheel))
    after = snapshot(places)
    assert compare(before, after, both, compiled=tool == "pip") == ()
    (one,) = compare(before, after, by_name(release_of(wheel)), compiled=tool == "pip")
    assert (one.name, one.version, one.reason) == ("built", "1.0", "unexpected-file")


def test_a_new_environment_of_the_run(tmp_path):
    prefix = tmp_path / "env"
    before = snapshot(places_of(prefix))
    assert before.stamps == {}
    run(UV, "venv", "--python", sys.executable, prefix)
    assert compare(before, snapshot(places_of(prefix)), {}, compiled=False) == ()
    (prefix / "bin" / "git").write_text("")
    (one,) = compare(before, snapshot(places_of(prefix)), {}, compiled=False)
    assert one.text.endswith("git` belongs to no package")


def test_paths_are_shown_escaped(env):
    (env.site / "evil\x1b[2J.py").write_text("")
    (one,) = env.findings()
    assert one.text.isprintable()


def test_damaged_metadata_is_a_finding(env):
    distribution(env.site, "evil", "1.0")
    (env.site / "evil-1.0.dist-info" / "METADATA").write_bytes(b"Name: a\nName: b\nVersion: \xff\n")
    (env.site / "evil-1.0.dist-info" / "RECORD").write_bytes(b"\xff")
    assert [(one.name, one.reason) for one in env.findings()] == [("", "unexpected-file")]


def test_a_snapshot_holds_every_file(pristine):
    stamps = snapshot(pristine.places).stamps
    assert len(stamps) > 20


FOLDERS = frozenset({"/v/bin", "/a b/bin", "/Jo's b/bin"})
BODY = b"import sys\nfrom x.y import f\nif __name__ == '__main__':\n    sys.exit(f())\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"#!/v/bin/python\n", True),
        (b"#!/v/bin/python3.11\n", True),
        (b"#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\"\n' '''\n", True),
        (b"#!/bin/sh\n'''exec' '/a b/bin/python3' \"$0\" \"$@\"\n' '''\n", True),
        (b"#!/bin/sh\n'''exec' /v/bin/python3 \"$0\" \"$@\"\n' '''\n", True),
        (b"#!/bin/sh\n'''exec' '/Jo'\"'\"'s b/bin/python' \"$0\" \"$@\"\n' '''\n", True),
        (b"#!/bin/sh\n'''exec' \"/Jo's b/bin/python\" \"$0\" \"$@\"\n' '''\n", True),
        (b"#!/bin/sh\n'''exec' '/Jo's b/bin/python' \"$0\" \"$@\"\n' '''\n", False),
        (b"#!/bin/sh\n'''exec' '/Jo'\"; evil; \"'s b/bin/python' \"$0\" \"$@\"\n' '''\n", False),
        (b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n", True),
        (b"#!/v/bin/python -c\n", False),
        (b"#!/w/bin/python\n", False),
        (b"#!/v/bin/sh\n", False),
        (b"#!/usr/bin/env python\n", False),
        (b"#!/bin/sh\nevil\n'''exec' /v/bin/python3 \"$0\" \"$@\"\n' '''\n", False),
        (b"#!/bin/sh\n'''exec' \"`evil`/v/bin/python3\" \"$0\" \"$@\"\n' '''\n", False),
        (b"#!/bin/sh\n'''exec' /v/bin/python3 \"$0\" \"$@\"; evil\n' '''\n", False),
        (b"", False),
    ],
)
def test_heads_of_wrappers(head, expected):
    assert is_wrapper(head + BODY, "x.y:f", FOLDERS) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BODY, True),
        (
            (
                b"# -*- coding: utf-8 -*-\nimport re\nimport sys\nfrom x.y import f\nif __name__ == '__main__':\n"
                b"    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    sys.exit(f())\n"
            ),
            True,
        ),
        (
            (
                b"import sys\nfrom x.y import f\nif __name__ == '__main__':\n    if sys.argv[0].endswith('.exe'):\n"
                b"        sys.argv[0] = sys.argv[0][:-4]\n    sys.exit(f())\n"
            ),
            True,
        ),
        (BODY.replace(b"x.y", b"x.z"), False),
        (BODY.replace(b"f", b"g"), False),
        (BODY.replace(b"import f", b"import f as f"), False),
        (BODY.replace(b"import sys", b"import os as sys"), False),
        (BODY + b"print(1)\n", False),
        (BODY.replace(b"f()", b"f(), __import__('os')"), False),
        (BODY.replace(b"sys.exit(f())", b"sys.exit(sys.modules['os'].system('x'))"), False),
        (BODY.replace(b"sys.exit(f())", b"sys.modules[0] = f()"), False),
        (BODY.replace(b"sys.exit(f())", b"sys.exit((lambda: f())())"), False),
        (BODY.replace(b"sys.exit(f())", b"f(); f()"), False),
        (BODY.replace(b"sys.exit(f())", b"pass"), False),
        (BODY.replace(b"    sys.exit(f())\n", b"    sys.exit(f())\nelse:\n    f()\n"), False),
        (BODY.replace(b"'__main__'", b"'other'"), False),
        (b"# -*- coding: utf-7 -*-\n" + BODY + b"# +AAo-import os\n", False),
        (b"# x\n# -*- coding: utf-7 -*-\n+ACM-1 if 0 else evil()\n" + BODY, False),  # too late to be one for Python
        (b"# x\r# -*- coding: utf-7 -*-\n" + BODY, False),
        (b"# x\revil()\n" + BODY, False),
        (b"# \xff\n" + BODY, False),
        (BODY + b"#" * 20_000, False),
        (b"\0", False),
        (b"(" * 5_000, False),
    ],
)
def test_bodies_of_wrappers(body, expected):
    assert is_wrapper(b"#!/v/bin/python\n" + body, "x.y:f", FOLDERS) is expected


def test_heads_of_scripts_may_have_an_option():
    assert head_length(b"#!/v/bin/python -E\nx", FOLDERS, options=True) == len(b"#!/v/bin/python -E\n")
    assert head_length(b"#!/a b/bin/python\nx", FOLDERS, options=True) == len(b"#!/a b/bin/python\n")
    assert head_length(b"#!/v/bin/python x.py\nx", FOLDERS, options=True) is None


def coded(path: bytes, encoding: bytes = b"utf-8", start: bytes = b"") -> bytes:
    """Write a head as uv does for a script that names its encoding, where the path is not a plain one."""
    octal = b" ".join(b"'\\'0%03o" % byte for byte in path)
    return (
        b"#!/bin/sh\n# coding: %b\n" % encoding
        + b"""'''exec' %b"$(printf %%b %b)" "$0" "$@"\n' '''\n""" % (start, octal)
        + b"# -*- coding: utf-8 -*-\nx"
    )


def test_heads_of_scripts_may_repeat_the_encoding():
    beside = b"""\"$(dirname -- \"$(realpath -- \"$0\")\")\"/"""
    for head in (coded(b"/a b/bin/python"), coded(b"python3", start=beside)):
        assert head_length(head, FOLDERS, options=True) == len(head) - len(b"# -*- coding: utf-8 -*-\nx")
        assert head_length(head, FOLDERS, options=False) is None
    others = [coded(b"/w/bin/python"), coded(b"python3"), coded(b"../python", start=beside), coded(b"/a b/bin/sh")]
    others += [
        coded(b"/a b/bin/python", b"utf-7"),
        coded(b"/a b/bin/python").replace(b"# -*- coding: utf-8 -*-\n", b""),
    ]
    others += [coded(b"/a b/bin/python").replace(b')" "$0"', b'; evil)" "$0"')]
    for head in others:
        assert head_length(head, FOLDERS, options=True) is None
