"""T05, T07, T14, T20, T29, T30: nothing that a `uv.lock` names comes in unjudged."""

import subprocess

import pytest

from openvet_install.openvet.subject import Subject
from tests.support.attacks import backend, direct_source, evil_sdist
from tests.support.projects import EDITABLE
from tests.support.stage import BENIGN, NO, PROGRAMS, WARN, YES
from tests.support.wheels import make_sdist, make_wheel

SYNC = ("openvet-uv", "sync")
HEAD = '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.10"\n'


def project(stage, *needs, more=""):
    """A project that is no package, and its lock, made by uv itself."""
    listed = ", ".join(f'"{one}"' for one in needs)
    (stage.project / "pyproject.toml").write_text(f"{HEAD}dependencies = [{listed}]\n{more}")
    lock(stage)


def lock(stage):
    uv(stage, "lock")


def uv(stage, *words, cwd=None):
    return subprocess.run(
        [str(PROGRAMS / "uv"), "--no-cache", *words], env=stage.variables, cwd=cwd or stage.project, check=True,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def stage(stage):
    stage.environment = stage.project / ".venv"
    del stage.variables["VIRTUAL_ENV"]
    return stage


def files(stage):
    """Every file of the environment with its bytes; None where there is no environment."""
    if not stage.environment.exists():
        return None
    paths = (path for path in stage.environment.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path): path.read_bytes() for path in paths}


def line_of(stage, name):
    lines = (stage.project / "uv.lock").read_text().splitlines()
    return next(n for n, line in enumerate(lines) if line == f'name = "{name}"')


@pytest.mark.parametrize("words", [[], ["--locked"], ["--frozen"]], ids=str)
def test_approved_then_another_then_withdrawn(stage, words):
    for name in ("good", "other"):
        stage.wheel(name, "1.0", YES if name == "good" else None)
    stage.policy()
    project(stage, "good")
    ended = stage.run(*SYNC, *words)
    assert ended.code == 0, ended.err
    assert not ended.ours
    assert stage.installed == {"good": "1.0"}
    assert stage.run(*SYNC, *words).code == 0
    project(stage, "good", "other")
    before = files(stage)
    stage.index.requests.clear()
    ended = stage.run(*SYNC, *words)
    assert ended.code == 77, ended.err
    first = "openvet: blocked before uv started, .venv unchanged; 1 of 2 packages in uv.lock not approved"
    assert ended.ours[0] == first
    assert "pypi:other@1.0?py3-none-any" in ended.ours[1]
    assert f"uv.lock:{line_of(stage, 'other')}" in ended.ours[1]
    assert files(stage) == before
    assert not [one.path for one in stage.index.requests if "other-1.0" in one.path]


def test_a_contradicted_entry_is_found_in_a_new_environment_too(stage):
    stage.wheel("good", "1.0", NO)
    stage.policy(WARN)
    project(stage, "good")
    ended = stage.run(*SYNC)
    assert ended.code == 77, ended.err
    assert files(stage) is None
    assert stage.leftovers == []


def test_what_was_approved_once_is_not_taken_from_the_cache(stage):
    digest = stage.wheel("good", "1.0", YES)
    stage.policy(BENIGN + 'check-every = "0s"\n')
    project(stage, "good")
    assert stage.run(*SYNC).code == 0
    stage.log.withdraw(Subject.parse(f"pypi:good@1.0?py3-none-any#sha256:{digest}"))
    before = files(stage)
    for words in ([], ["--reinstall"]):
        ended = stage.run(*SYNC, *words)
        assert ended.code == 77, ended.err
        assert files(stage) == before


def test_a_lock_with_another_hash_than_the_index(stage):
    digest = stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    project(stage, "good")
    path = stage.project / "uv.lock"
    path.write_text(path.read_text().replace(digest, "0" * 64))
    for words in (["--frozen"], []):
        ended = stage.run(*SYNC, *words)
        assert ended.code in (65, 77), ended.err
        assert stage.installed == {}


def test_a_lock_that_names_other_bytes_under_the_approved_hash(stage):
    """A neighbour's file of the same name lies where the lock points."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    project(stage, "good")
    stage.index.add(make_wheel("good", "1.0", files={"evil.py": ""}), filename="good-1.0-py3-none-any.whl")
    for words in (["--frozen"], []):
        ended = stage.run(*SYNC, *words)
        assert ended.code == 65, ended.err
        assert stage.installed == {}
        assert "hash-mismatch" in ended.err


def test_a_host_that_only_the_lock_names_gets_nothing_in(stage):
    """The lock says the approved hash, and an address of a machine that no index stands for."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    project(stage, "good")
    path = stage.project / "uv.lock"
    text = path.read_text().replace("127.0.0.1", "127.0.0.2")
    path.write_text(text)
    ended = stage.run(*SYNC, "--frozen")
    assert ended.code != 0, ended.err
    assert stage.installed == {}


@pytest.mark.parametrize("kind", ["git", "url", "path"])
@pytest.mark.parametrize("group", [False, True], ids=["needed", "default group in older words"])
def test_direct_entries_are_refused_in_every_mode(stage, kind, group):
    source = direct_source(stage, kind)
    lists = '[dependency-groups]\ndev = ["evil"]\n' if group else ""
    needs = [] if group else ["evil"]
    stage.policy(WARN)
    listed = ", ".join(f'"{one}"' for one in needs)
    text = f"{HEAD}dependencies = [{listed}]\n{lists}[tool.uv.sources]\nevil = {{ {source} }}\n"
    (stage.project / "pyproject.toml").write_text(text)
    entry = f'{source[:-1]}#0123456789012345678901234567890123456789"' if kind == "git" else source
    where = "[package.dev-dependencies]\ndev" if group else "dependencies"
    edges = f'{where} = [{{ name = "evil" }}]\n'
    text = (
        'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n\n'
        f'[[package]]\nname = "evil"\nversion = "1.0"\nsource = {{ {entry} }}\n'
        + (f'sdist = {{ hash = "sha256:{"0" * 64}" }}\n' if kind != "git" else "")
        + f'\n[[package]]\nname = "mine"\nversion = "1.0"\nsource = {{ virtual = "." }}\n{edges}'
    )
    if group:
        text = text.replace("[package", "[distribution").replace("dev-dependencies", "dependency-groups")
    (stage.project / "uv.lock").write_text(text)
    ended = stage.run(*SYNC, "--frozen")
    assert ended.code == 77, ended.err
    assert "direct-reference" in ended.err
    assert files(stage) is None
    assert not stage.marker.exists()
    checked = stage.run("openvet-install", "check")
    assert (checked.code, "direct-reference    uv.lock:5" in checked.out) == (77, True), checked.out


@pytest.mark.parametrize("words", [[], ["--no-binary"]], ids=str)
def test_files_on_this_machine_among_those_of_an_index(stage, words):
    """The wheel is approved, the sdist beside it lies in a folder."""
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    project(stage, "good")
    (stage.folder / "good-1.0.tar.gz").write_bytes(make_sdist("good", "1.0", marker=stage.marker))
    path = stage.project / "uv.lock"
    path.write_text(path.read_text().replace("wheels = [", 'sdist = { path = "../good-1.0.tar.gz" }\nwheels = [', 1))
    ended = stage.run(*SYNC, "--frozen", *words)
    assert ended.code == 77, ended.err
    assert files(stage) is None
    assert not stage.marker.exists()


@pytest.mark.parametrize("words", [[], ["--all-packages"], ["--package=inner"], ["--directory=inner"]], ids=str)
def test_members_of_a_workspace(stage, words):
    stage.wheel("good", "1.0", YES)
    stage.wheel("deep", "1.0", YES if words else None)
    stage.policy()
    (stage.project / "inner").mkdir()
    inner = HEAD.replace("mine", "inner") + 'dependencies = ["deep"]\n'
    (stage.project / "inner/pyproject.toml").write_text(inner)
    project(stage, "good", more='[tool.uv.workspace]\nmembers = ["inner"]\n')
    ended = stage.run(*SYNC, *words, env={"UV_PROJECT_ENVIRONMENT": "elsewhere"})
    assert ended.code == 0, ended.err
    names = {"good"} if not words else {"good", "deep"} if words == ["--all-packages"] else {"deep"}
    stage.environment = stage.project / "elsewhere"
    assert set(stage.installed) == names


def test_folders_beyond_local_projects(stage):
    other = stage.folder / "other"
    other.mkdir()
    build = '[build-system]\nrequires = []\nbuild-backend = "own_backend"\nbackend-path = ["."]\n'
    (other / "pyproject.toml").write_text(f'[project]\nname = "other"\nversion = "1.0"\n{build}')
    stage.policy(WARN)
    project(stage, "other", more='[tool.uv.sources]\nother = { path = "../other" }\n')
    ended = stage.run(*SYNC)
    assert ended.code == 64, ended.err
    assert "local-projects" in ended.err
    assert files(stage) is None
    checked = stage.run("openvet-install", "check")
    assert (checked.code, "direct-reference    uv.lock:" in checked.out) == (77, True), checked.out


def test_locked_never_resolves(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("more", "1.0", YES)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(f"{HEAD}dependencies = []\n")
    for words in (["--locked"], ["--frozen"]):
        ended = stage.run(*SYNC, *words)
        assert ended.code not in (0, 64), ended.err
        assert "Unable to find lockfile" in ended.err
    project(stage, "good")
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good", "more"]\n')
    before = (stage.project / "uv.lock").read_bytes()
    ended = stage.run(*SYNC, "--locked")
    assert ended.code == 1, ended.err
    assert "needs to be updated" in ended.err
    assert files(stage) is None
    assert (stage.project / "uv.lock").read_bytes() == before


@pytest.mark.parametrize("place", ["requires", "sources"])
def test_no_build_requirement_leads_past_the_gateway(stage, place):
    path = evil_sdist(stage)
    need = f"evil @ {path.as_uri()}" if place == "requires" else "evil"
    build = f'[build-system]\nrequires = ["{need}"]\nbuild-backend = "own_backend"\nbackend-path = ["."]\n'
    (stage.project / "own_backend.py").write_text(EDITABLE)
    sources = f'[tool.uv.sources]\nevil = {{ path = "{path}" }}\n' if place == "sources" else ""
    stage.policy(WARN)
    project(stage, more=build + sources)
    uv(stage, "sync")
    assert stage.marker.exists()
    stage.marker.unlink()
    uv(stage, "pip", "uninstall", "--python", str(stage.environment), "mine")
    for words in ([], ["--frozen"]):
        ended = stage.run(*SYNC, *words)
        assert ended.code == (64 if place == "requires" else 77), ended.err
        assert stage.installed == {}
        assert not stage.marker.exists()


@pytest.mark.parametrize("source", ['git = "https://example.invalid/mine"', 'path = "../other"'])
def test_a_source_under_the_name_of_a_project_of_ours_is_none_of_ours(stage, source):
    (stage.folder / "other").mkdir()
    stage.policy(WARN)
    project(stage)
    path = stage.project / "pyproject.toml"
    path.write_text(path.read_text() + f"[tool.uv.sources]\nmine = {{ {source} }}\n")
    ended = stage.run(*SYNC, "--frozen")
    assert ended.code == (77 if "git" in source else 64), ended.err
    assert ("version control" if "git" in source else "local-projects") in ended.err


def test_proxies_in_the_project_are_refused(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    project(stage, "good")
    path = stage.project / "pyproject.toml"
    path.write_text(path.read_text() + '[tool.uv]\nhttps-proxy = "http://127.0.0.1:1"\n')
    ended = stage.run(*SYNC, "--frozen")
    assert ended.code == 78, ended.err
    assert files(stage) is None


def test_a_tampered_cache_is_found(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    project(stage, "good")
    assert stage.run(*SYNC).code == 0
    cache = stage.folder / "cache"
    found = [*cache.rglob("good/__init__.py"), *cache.rglob("good.py")]
    assert found
    for one in found:
        one.write_text("import evil\n")
    uv(stage, "pip", "uninstall", "--python", str(stage.environment), "good")
    ended = stage.run(*SYNC)
    if ended.code == 0:
        text = "".join(one.read_text() for one in stage.environment.rglob("good*.py"))
        text += "".join(one.read_text() for one in stage.environment.rglob("good/*.py"))
        assert "evil" not in text
    else:
        assert ended.code == 65, ended.err


def test_a_build_asks_the_gate(stage):
    """An approved sdist whose build needs something that nobody audited."""
    stage.sdist("built", "1.0", YES, build_requires=["helper"])
    stage.wheel("helper", "1.0", YES)
    stage.policy()
    project(stage, "built")
    stage.marker.unlink(missing_ok=True)
    stage.wheel("helper", "2.0")
    ended = stage.run(*SYNC)
    assert ended.code == 0, ended.err
    assert stage.installed == {"built": "1.0"}
    assert not [one.path for one in stage.index.requests if "helper-2.0" in one.path]


def test_what_a_build_writes_into_the_environment_is_found(stage):
    """Approved, but its backend leaves a file behind that runs at every start of Python."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    project(stage, "good")
    assert stage.run(*SYNC).code == 0
    code = "open(SITE + '/late.pth', 'w').write('import evil')"
    stage.sdist("sneaky", "1.0", YES, backend=backend(stage, "sneaky", "1.0", code))
    stage.policy(BENIGN + 'check-every = "0s"\n')
    project(stage, "good", "sneaky")
    ended = stage.run(*SYNC)
    assert ended.code == 65, ended.err
    assert "late.pth" in ended.err


def test_a_project_of_ours_with_groups_and_extras(stage):
    for name in ("good", "checks", "docs", "fast", "helper"):
        stage.wheel(name, "1.0", YES if name not in ("docs", "fast") else None)
    stage.policy()
    (stage.project / "src" / "mine").mkdir(parents=True)
    (stage.project / "src" / "mine" / "__init__.py").touch()
    (stage.project / "own_backend.py").write_text(EDITABLE)
    (stage.project / "pyproject.toml").write_text(
        f'{HEAD}dependencies = ["good"]\n[project.optional-dependencies]\nfast = ["fast"]\n'
        '[dependency-groups]\ndev = ["checks"]\ndocs = ["docs"]\n'
        '[build-system]\nrequires = ["helper"]\nbuild-backend = "own_backend"\nbackend-path = ["."]\n'
    )
    lock(stage)
    for words, names in (
        (["--no-dev", "--no-install-project"], {"good"}),
        (["--no-dev"], {"good", "mine"}),
        ([], {"good", "mine", "checks"}),
    ):
        ended = stage.run(*SYNC, *words)
        assert ended.code == 0, ended.err
        assert set(stage.installed) == names
    before = files(stage)
    for words in (["--group", "docs"], ["--all-groups"], ["--extra=fast"], ["--all-extras"]):
        ended = stage.run(*SYNC, *words)
        assert ended.code == 77, ended.err
        assert "1 of 3 packages" in ended.ours[0]
        assert files(stage) == before
    assert stage.run(*SYNC, "--all-extras", "--no-extra", "fast", "--all-groups", "--no-group=docs").code == 0
