"""T03, T06, T07, T18, T19, T28: `uv run` starts nothing that was not installed, checked and meant."""

import subprocess

import pytest

from tests.support.attacks import backend, evil_sdist
from tests.support.indexsim import IndexSimulator
from tests.support.stage import BENIGN, NO, PROGRAMS, WARN, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

RUN = ("openvet-uv", "run")
HEAD = '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.10"\n'


@pytest.fixture
def stage(stage):
    stage.environment = stage.project / ".venv"
    del stage.variables["VIRTUAL_ENV"]
    stage.variables["UV_CACHE_DIR"] = str(stage.folder / "plain-cache")
    return stage


def project(stage, *needs, more=""):
    listed = ", ".join(f'"{one}"' for one in needs)
    (stage.project / "pyproject.toml").write_text(f"{HEAD}dependencies = [{listed}]\n{more}")
    assert plain(stage, "lock").returncode == 0


def plain(stage, *words):
    """The same without the gate, to see that an attack is one."""
    return subprocess.run(
        [str(PROGRAMS / "uv"), *words], env=stage.variables | {"TMPDIR": str(stage.folder)}, cwd=stage.project,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def program(stage):
    """A program that says that it ran."""
    return ("python", "-c", f"open({str(stage.folder / 'ran')!r}, 'w')")


def did_not_run(stage, ended, *codes):
    """It ended with one of these codes, no package code ran, the program did not start, nothing was left behind."""
    assert ended.code in codes, f"{ended.code}\n{ended.out}\n{ended.err}"
    assert "Traceback" not in ended.err
    assert not stage.marker.exists()
    assert not (stage.folder / "ran").exists()
    assert stage.leftovers == []
    rooms = stage.folder / "cache" / "openvet-install" / "environments"
    assert not rooms.exists() or list(rooms.iterdir()) == []


def building(stage, code):
    """An approved sdist whose build runs `code`."""
    own, stage.environment = stage.environment, stage.folder / "environment"
    stage.sdist("built", "1.0", YES, backend=backend(stage, "built", "1.0", code))
    stage.environment = own


def script(stage, metadata, name="x.py"):
    lines = "".join(f"# {line}\n" for line in metadata.splitlines())
    path = stage.project / name
    path.write_text(f"# /// script\n{lines}# ///\nopen({str(stage.folder / 'ran')!r}, 'w')\n")
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["pip", "install", "evil"],
        ["--", "pip3.11", "install", "evil"],
        ["./pip", "install", "evil"],
        ["-m", "pip", "install", "evil"],
        ["python", "-m", "pip", "install", "evil"],
        ["python3", "-Im", "pip", "install", "evil"],
        ["python", "-W", "ignore", "-mpip", "install", "evil"],
        ["python", "-Wignore::DeprecationWarning", "-m", "pip", "install", "evil"],
        ["python", "-Xpycache_prefix=m", "-bbm", "pip", "install", "evil"],
        ["python", "-X", "dev", "-IWc", "-m", "pip", "install", "evil"],
        ["python", "--check-hash-based-pycs", "default", "-m", "pip", "install", "evil"],
        ["uv", "pip", "install", "evil"],
        ["uvx", "evil"],
        ["pipx", "run", "evil"],
    ],
    ids=" ".join,
)
def test_an_installer_is_no_program_to_run(stage, words):
    stage.policy()
    ended = stage.run(*RUN, *words)
    did_not_run(stage, ended, 64)
    assert "it would install outside of the gate" in ended.err
    hint = {"pipx": "openvet-install exec -- pipx run", "uvx": "openvet-uv tool run", "uv": "openvet-uv pip"}
    assert f"hint: {hint.get(words[0], 'openvet-pip install')} " in ended.err


@pytest.mark.parametrize(
    "words",
    [["-c", "print(1)", "-m", "pip"], ["x.py", "-m", "pip"], ["-Xdev", "-cprint(1)", "-mpip"], ["-", "-mpip"]],
    ids=" ".join,
)
def test_what_only_looks_like_an_installer(stage, words):
    stage.policy()
    (stage.project / "x.py").write_text("print(1)")
    ended = stage.run(*RUN, "python", *words, stdin="print(1)")
    assert (ended.code, ended.out) == (0, "1\n"), ended.err


def test_a_script_from_elsewhere_is_not_fetched(stage):
    stage.policy()
    stage.index.requests.clear()
    url = stage.index.simple_url.replace("simple/", "x.py")
    for words in ([url], ["--script", url], ["--", url]):
        did_not_run(stage, stage.run(*RUN, *words), 64)
    assert not stage.index.requests


@pytest.mark.parametrize("mode", ["block", "warn"])
def test_what_a_script_asks_for_is_judged(stage, mode):
    stage.sdist("evil", "1.0", NO if mode == "warn" else None)
    stage.policy(*([WARN] if mode == "warn" else []))
    path = script(stage, 'dependencies = ["evil"]')
    for words, stdin in (["x.py"], None), (["--script", "x.py"], None), (["-"], path.read_text()):
        ended = stage.run(*RUN, *words, stdin=stdin)
        did_not_run(stage, ended, 77)
        assert "evil" in ended.err
    plain(stage, "run", "x.py")
    assert stage.marker.exists()


@pytest.mark.parametrize("kind", ["file", "http", "git", "path"])
def test_a_script_names_no_place_of_its_own(stage, kind):
    stage.policy()
    path = evil_sdist(stage)
    where = {
        "file": path.as_uri(), "http": "http://127.0.0.1:9/evil-1.0.tar.gz", "git": "git+ssh://127.0.0.1/evil",
        "path": str(path),
    }[kind]  # fmt: skip
    script(stage, f'dependencies = ["evil @ {where}"]')
    did_not_run(stage, stage.run(*RUN, "x.py"), 64)
    key = {"file": "url", "http": "url"}.get(kind, kind)
    script(stage, f'dependencies = ["evil"]\n[tool.uv.sources]\nevil = {{ {key} = "{where}" }}')
    ended = stage.run(*RUN, "x.py")
    did_not_run(stage, ended, 78)
    assert "x.py" in ended.err
    if kind == "path":
        plain(stage, "run", "x.py")
        assert stage.marker.exists()


@pytest.mark.parametrize(
    "settings",
    [
        'http-proxy = "http://127.0.0.1:9"', 'find-links = ["d"]', 'allow-insecure-host = ["127.0.0.1"]',
        'index = [{ url = "d", format = "flat" }]', 'override-dependencies = ["good @ file:///d/evil.whl"]',
        'extra-build-dependencies = { good = ["evil @ file:///d"] }', "no-build-isolation = true",
        'index = [{ url = "http://127.0.0.1:9/simple", cache-control = { api = "max-age=9" } }]',
    ],
)  # fmt: skip
def test_settings_of_a_script_are_judged(stage, settings):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    script(stage, f'dependencies = ["good"]\n[tool.uv]\n{settings}')
    ended = stage.run(*RUN, "x.py")
    did_not_run(stage, ended, 77 if " @ " in settings else 78)
    assert "x.py:" in ended.err


def test_an_index_of_a_script_is_gated_too(stage):
    stage.policy()
    with IndexSimulator() as other:
        other.add(make_sdist("evil", "1.0", marker=stage.marker), filename=sdist_name("evil", "1.0"))
        script(stage, f'dependencies = ["evil"]\n[[tool.uv.index]]\nurl = "{other.simple_url}"')
        did_not_run(stage, stage.run(*RUN, "x.py"), 77)
        for flags in (["--index", other.simple_url], ["--default-index", other.simple_url]):
            did_not_run(stage, stage.run(*RUN, "--no-project", *flags, "--with", "evil", *program(stage)), 77)
        plain(stage, "run", "x.py")
    assert stage.marker.exists()


def test_two_readings_of_metadata_are_none(stage):
    """What uv would read and we would not, or the other way round, does not start."""
    stage.policy()
    block = '# /// script\n# dependencies = ["evil"]\n'
    for text in (block, f"{block}# ///\n\n{block}# ///\n", f"{block.replace('[', '')}# ///\n"):
        (stage.project / "x.py").write_text(text)
        did_not_run(stage, stage.run(*RUN, "x.py"), 64)
    (stage.project / "x.py").write_bytes(f"{block}# ///\n# \xe4".encode("latin-1"))
    did_not_run(stage, stage.run(*RUN, "x.py"), 64)


ADDED = {
    "name": ["--with", "evil"], "names": ["--with", "good,evil"], "path": ["-w", "../d/evil-1.0.tar.gz"],
    "file": ["--with-requirements", "r.txt"], "git": ["--with", "git+file:///d"],
    "folder": ["--with-editable", "../d"], "links": ["--find-links", "../d", "--with", "evil"],
}  # fmt: skip


@pytest.mark.parametrize("kind", ADDED)
def test_what_is_added_is_judged(stage, kind):
    stage.sdist("evil", "1.0")
    stage.policy()
    project(stage)
    evil_sdist(stage)
    (stage.project / "r.txt").write_text("evil\n")
    did_not_run(stage, stage.run(*RUN, *ADDED[kind], *program(stage)), 64, 77)
    if kind == "name":
        plain(stage, "run", *ADDED[kind], *program(stage))
        assert stage.marker.exists()


def test_a_lock_that_is_not_approved_starts_nothing(stage):
    stage.wheel("evil", "1.0")
    stage.policy()
    project(stage, "evil")
    for words in ([], ["--frozen"], ["--locked"], ["--isolated"]):
        ended = stage.run(*RUN, *words, *program(stage))
        did_not_run(stage, ended, 77)
        assert "evil" in ended.err
    assert not stage.environment.exists()


@pytest.mark.parametrize("kind", ["path", "reference", "folder", "several", "git"])
def test_what_is_added_is_not_even_asked_what_it_is(stage, kind):
    """uv runs the build of what it is given by a place, to see whether the environment has it."""
    stage.policy()
    project(stage)
    place = evil_sdist(stage)
    place.write_bytes(make_sdist("evil", "1.0", marker=stage.marker, more_pyproject='dynamic = ["dependencies"]\n'))
    subprocess.run(["tar", "xf", place, "-C", place.parent], check=True)
    words = {
        "path": str(place), "reference": f"evil @ {place.as_uri()}", "folder": str(place.parent / "evil-1.0"),
        "several": f"good,{place}", "git": f"git+file://{place.parent / 'evil-1.0'}",
    }[kind]  # fmt: skip
    did_not_run(stage, stage.run(*RUN, "--with", words, *program(stage)), 64, 77)
    if kind in ("path", "reference", "folder"):
        plain(stage, "run", "--with", words, *program(stage))
        assert stage.marker.exists()


@pytest.mark.parametrize("name", ["UV_FIND_LINKS", "UV_INDEX", "UV_WITH", "UV_OVERRIDE", "UV_CONSTRAINT"])
def test_variables_bring_nothing_in(stage, name):
    stage.wheel("good", "1.0", YES, requires=["evil"])
    stage.policy()
    folder = stage.folder / "d"
    folder.mkdir()
    wheel = folder / wheel_name("evil", "1.0")
    wheel.write_bytes(make_wheel("evil", "1.0"))
    (folder / "r.txt").write_text(f"evil @ {wheel.as_uri()}\n")
    value = str(folder / "r.txt") if name in ("UV_OVERRIDE", "UV_CONSTRAINT") else str(folder)
    ended = stage.run(*RUN, "--with", "good", *program(stage), env={name: value})
    did_not_run(stage, ended, *([78] if name == "UV_INDEX" else [1, 77]))


def test_caches_that_others_filled_are_not_used(stage):
    """Environments and wheels in uv's own cache may have been changed since."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    script(stage, 'dependencies = ["good"]')
    words = ["--no-project", "--with", "good", "python", "-c", "import good"]
    assert plain(stage, "run", "x.py").returncode == 0
    assert plain(stage, "run", *words).returncode == 0
    poison = f"open({str(stage.marker)!r}, 'w')\n"
    for path in (stage.folder / "plain-cache").rglob("good.py"):
        path.write_text(poison)
    for site in (stage.folder / "plain-cache").rglob("site-packages"):
        (site / "z.pth").write_text(f"import sys; {poison}")
    for one in (["x.py"], words):
        ended = stage.run(*RUN, *one)
        assert ended.code == 0, ended.err
        assert not stage.marker.exists()
    plain(stage, "run", *words)
    assert stage.marker.exists()


def test_a_script_that_changes_under_way_does_not_start(stage):
    """A build that is approved writes other metadata, and another program, into it."""
    path = stage.project / "x.py"
    building(stage, f"open({str(path)!r}, 'a').write('# changed')")
    stage.wheel("good", "1.0", YES)
    stage.policy()
    script(stage, 'dependencies = ["good", "built"]')
    ended = stage.run(*RUN, "x.py")
    did_not_run(stage, ended, 65)
    assert "was changed" in ended.err


def test_a_project_that_changes_under_way_installs_nothing_more(stage):
    """Plain `uv run` would bring the environment in line again with what a build wrote into the project."""
    pyproject = stage.project / "pyproject.toml"
    building(stage, f"open({str(pyproject)!r}, 'a').write('[dependency-groups]\\ndev = [\"evil\"]')")
    stage.wheel("evil", "1.0")
    stage.policy()
    project(stage, "built")
    ended = stage.run(*RUN, "python", "-c", "import built")
    assert ended.code == 0, ended.err
    assert "evil" in pyproject.read_text()
    assert stage.installed == {"built": "1.0"}


TOOL = ("openvet-uv", "tool", "run")


def test_a_tool_is_judged(stage):
    stage.sdist("evil", "1.0")
    stage.wheel("good", "1.0", YES)
    stage.policy()
    path = evil_sdist(stage)
    for words in (
        ["evil"], ["evil@1.0"], ["--from", "evil", "sh"], ["--with", "evil", "--from", "good", "sh"],
        ["--from", f"evil @ {path.as_uri()}", "sh"], ["--with", "evil", "python"],
    ):  # fmt: skip
        did_not_run(stage, stage.run(*TOOL, *words, "-c", f"touch {stage.folder / 'ran'}"), 77)
    with IndexSimulator() as other:
        other.add(make_sdist("evil2", "1.0", marker=stage.marker), filename=sdist_name("evil2", "1.0"))
        did_not_run(stage, stage.run(*TOOL, "--index", other.simple_url, "evil2"), 77)
    for words in (["pip", "install", "evil"], ["--from", "good", "pip"], ["uv", "pip"], ["python", "-m", "pip"]):
        did_not_run(stage, stage.run(*TOOL, *words), 64)
    for words in (["git+ssh://127.0.0.1/evil"], ["--from", "git+file:///d", "evil"], ["--find-links", "d", "evil"]):
        did_not_run(stage, stage.run(*TOOL, *words), 64, 77)
    plain(stage, "tool", "run", "evil")
    assert stage.marker.exists()


def test_no_interpreter_is_fetched(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    for command in ([*TOOL, "--python", "3.99", "good"], [*RUN, "--no-project", "--python", "3.99", "true"]):
        ended = stage.run(*command)
        did_not_run(stage, ended, 2)
        assert "No interpreter found" in ended.err


def test_a_tool_that_was_installed_before_is_not_believed(stage):
    stage.wheel("good", "1.0", YES, files={"good.py": "def main(): pass\n"}, entry_points={"good": "good:main"})
    stage.policy()
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    assert plain(stage, "tool", "install", "good").returncode == 0
    for path in (stage.folder / "UV_TOOL_DIR").rglob("good.py"):
        path.write_text(f"def main(): open({str(stage.marker)!r}, 'w')\n")
    ended = stage.run(*TOOL, "good")
    assert ended.code == 0, ended.err
    assert not stage.marker.exists()
    plain(stage, "tool", "run", "good")
    assert stage.marker.exists()


@pytest.mark.parametrize(
    "name", ["evil-1.0.tar.gz", "evil.zip", "evil-1.0.tar.gz[x]", "evil-1.0-py3-none-any.whl", "evil"]
)
def test_a_tool_is_no_file_that_lies_here(stage, name):
    """What reads like a name is a file to uv, where it ends like one."""
    stage.wheel("good", "1.0", YES, files={"good.py": "def main(): pass\n"}, entry_points={"good": "good:main"})
    stage.policy()
    stage.variables |= {one: str(stage.folder / one) for one in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    code = f"def main(): open({str(stage.marker)!r}, 'w')\n"
    bodies = {
        "evil-1.0.tar.gz": make_sdist("evil", "1.0", marker=stage.marker),
        "evil.zip": make_sdist("evil", "1.0", marker=stage.marker, ending=".zip"),
        "evil-1.0-py3-none-any.whl": make_wheel(
            "evil", "1.0", files={"evil.py": code}, entry_points={"evil": "evil:main"}
        ),
    }
    for one, body in bodies.items():
        (stage.project / one).write_bytes(body)
    for words in (
        [name], ["--from", name, "evil"], ["--with", name, "good"], ["--with", f"good,{name}", "good"],
        ["--with-executables-from", name, "good"], [f"{name}@latest"], ["--from", "good", name],
    ):  # fmt: skip
        ended = stage.run("openvet-uv", "tool", "install", *words)
        assert ended.code in (1, 2, 64, 77), f"{words} {ended.code} {ended.err}"
        assert not stage.marker.exists(), words
        assert not list(stage.folder.glob("UV_TOOL_DIR/*/lib/*/site-packages/evil.py")), words
        assert stage.leftovers == []
    if name == "evil-1.0.tar.gz":
        plain(stage, "tool", "install", name)
        assert stage.marker.exists()


@pytest.mark.parametrize("name", ["evil-1.0.tar.gz", "evil.zip"])
def test_nor_does_a_script_ask_for_one(stage, name):
    stage.policy()
    (stage.project / name).write_bytes(make_sdist("evil", "1.0", marker=stage.marker))
    script(stage, f'dependencies = ["{name}"]')
    did_not_run(stage, stage.run(*RUN, "x.py"), 64)


@pytest.mark.parametrize("words", [["run", "--no-project"], ["tool", "run"]], ids=" ".join)
def test_a_file_of_variables_loads_nothing_before_all_is_approved(stage, words):
    """uv reads it in a process of its own, which starts another: there the loader would obey it."""
    stage.wheel("bad", "1.0")
    stage.policy(BENIGN)
    source = stage.folder / "evil.c"
    source.write_text(
        f'#include <stdio.h>\n__attribute__((constructor)) void f(void) {{ fopen("{stage.marker}", "w"); }}'
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(stage.project / "evil.so"), str(source)], check=True)
    (stage.project / ".env").write_text(f"LD_PRELOAD={stage.project}/evil.so\nA=b\n")
    ended = stage.run("openvet-uv", *words, "--env-file=.env", "--with", "bad", "python", "-V")
    assert ended.code == 77, ended.err
    assert not stage.marker.exists()
    ended = stage.run("openvet-uv", *words, "--env-file=.env", "python", "-c", "import os; print(os.environ['A'])")
    assert (ended.code, ended.out) == (0, "b\n")
    assert stage.marker.exists()


@pytest.mark.parametrize("locked", [False, True], ids=["unlocked", "locked"])
def test_alone_it_does_not_start_in_an_environment_that_nobody_checked(stage, locked):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    project(stage, "good")
    if not locked:
        (stage.project / "uv.lock").unlink()
    assert plain(stage, "venv").returncode == 0
    (site,) = stage.environment.glob("lib/python*/site-packages")
    (site / "evil.pth").write_text(f"import pathlib; pathlib.Path({str(stage.marker)!r}).touch()\n")
    ended = stage.run(*RUN, "--isolated", "-P", "good", "python", "-c", "import good, sys; print(sys.prefix)")
    assert (ended.code, str(stage.environment) in ended.out) == (0, False), ended.err
    assert not stage.marker.exists()
