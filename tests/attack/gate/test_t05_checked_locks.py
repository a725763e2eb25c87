"""T05, T07: `check` judges what plain tools would install from a lock, however uv is configured in its place."""

import pytest

from tests.support.projects import HEAD, in_project, uv_itself
from tests.support.stage import BENIGN, YES
from tests.support.wheels import sdist_name, wheel_name

CHECK = ("openvet-install", "check")
BUILD = 'no-binary-package = ["one"]\n'
TABLE = f"[tool.uv]\n{BUILD}"
SCRIPT = f'# /// script\n# dependencies = ["one"]\n# [tool.uv]\n# {BUILD}# ///\n'
ENTRY = '[[package]]\nname = "mine"\nversion = "1.0"\nsource = { virtual = "." }\ndependencies = [{ name = "one" }]\n'
USER = "../config/uv/uv.toml"
MARKERS = {
    "x": "'x' in extras",
    "g": "'g' in dependency_groups",
    "alone": "'g' in dependency_groups and 'default' not in dependency_groups",
    "windows": "sys_platform == 'win32'",
    "later": "python_version >= '3.20'",
}


def address(stage, filename):
    return f"{stage.index.simple_url.replace('/simple', '/files/')}{filename}"


def lock(stage, approved, *, name="uv.lock", more=ENTRY):
    """Lock a wheel and an sdist of one release, of which one is approved."""
    digests = [
        make("one", "1.0", YES if approved == kind else None)
        for kind, make in (("wheel", stage.wheel), ("sdist", stage.sdist))
    ]
    files = [
        f'{{ url = "{address(stage, filename)}", hash = "sha256:{digest}" }}'
        for filename, digest in zip((wheel_name("one", "1.0"), sdist_name("one", "1.0")), digests, strict=True)
    ]
    (stage.project / name).write_text(
        f'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n{more}[[package]]\nname = "one"\nversion = "1.0"\n'
        f'source = {{ registry = "{stage.index.simple_url}" }}\nwheels = [{files[0]}]\nsdist = {files[1]}\n'
    )


def write(stage, files):
    for place, text in files.items():
        path = stage.project / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


ELSEWHERE = {
    "above": ({"../uv.toml": BUILD}, {}),
    "above, in a project": ({"../pyproject.toml": TABLE}, {}),
    "of the user": ({USER: BUILD}, {}),
    "named": ({"odd.toml": BUILD}, {"UV_CONFIG_FILE": "odd.toml"}),
    "a variable": ({}, {"UV_NO_BINARY_PACKAGE": "other one"}),
    "a variable for all": ({}, {"UV_NO_BINARY": "1"}),
}


def checked_and_synced(stage, approved, files, env):
    """Return how `check` ends in a project with these files and variables; plain uv installs from its lock after it."""
    in_project(stage)
    lock(stage, approved)
    stage.policy()
    more = files.get("pyproject.toml", "")
    write(stage, {**files, "pyproject.toml": f'{HEAD}dependencies = ["one"]\n{more}'})
    stage.variables |= env
    ended = stage.run(*CHECK)
    assert uv_itself(stage, "sync", "--frozen").returncode == 0
    return ended


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_is_built_as_something_elsewhere_says(stage, case):
    ended = checked_and_synced(stage, "wheel", *ELSEWHERE[case])
    assert stage.marker.exists()
    assert (ended.code, "one@1.0?sdist" in ended.out) == (77, True), ended.err


NOT = {
    "no": ({"pyproject.toml": f"{TABLE}no-binary = false\n"}, {}),
    "cannot be read": ({"pyproject.toml": f"{TABLE}other = 1\n"}, {}),
    "masked": ({"pyproject.toml": TABLE, "uv.toml": ""}, {}),
    "not the nearest": ({"pyproject.toml": "[tool.uv]\n", "../uv.toml": BUILD}, {}),
    "nearer": ({"pyproject.toml": "[tool.uv]\nno-binary = false\n", USER: "no-binary = true\n"}, {}),
    "not read": ({"pyproject.toml": TABLE}, {"UV_NO_CONFIG": "1"}),
}


@pytest.mark.parametrize("case", NOT)
def test_what_is_not_built_whatever_a_file_says(stage, case):
    ended = checked_and_synced(stage, "sdist", *NOT[case])
    assert not stage.marker.exists()
    assert (ended.code, "one@1.0?py3-none-any" in ended.out) == (77, True), ended.err


def test_what_is_built_for_a_script(stage):
    more = '[manifest]\nrequirements = [{ name = "one" }]\n'
    lock(stage, "wheel", name="job.py.lock", more=more)
    stage.policy()
    write(stage, {"job.py": SCRIPT})
    ended = stage.run(*CHECK, "job.py.lock")
    assert uv_itself(stage, "sync", "--frozen", "--script", "job.py").returncode == 0
    assert stage.marker.exists()
    assert (ended.code, "one@1.0?sdist" in ended.out) == (77, True), ended.err


@pytest.mark.parametrize("where", ["beside", "in the working folder"])
def test_a_lock_that_nobody_names_is_told(stage, where, monkeypatch):
    lock(stage, "wheel")
    write(stage, {"pyproject.toml": f'{HEAD}dependencies = ["one"]\n'})
    write(stage, {"app/uv.lock": (stage.project / "uv.lock").read_text()})
    if where == "beside":
        stage.policy(BENIGN + '[[lockfile]]\nkind = "uv"\npath = "app/uv.lock"\n')
    else:
        stage.policy()
        monkeypatch.setattr(stage, "project", stage.project / "app")
    ended = stage.run(*CHECK)
    assert ended.code == 0, ended.err
    assert "not judged here: uv.lock (check FILE judges it)" in ended.err.splitlines()


PINS = {
    "a file": ({".python-version": "# ours\n3.20\n"}, {}),
    "a file above": ({"../.python-versions": "cpython@3.20.1\n3.11\n"}, {}),
    "a link": ({"elsewhere": "3.20\n"}, {}),
    "a variable": ({}, {"UV_PYTHON": ">=3.20"}),
}


@pytest.mark.parametrize("case", PINS)
def test_the_python_that_a_project_asks_for(stage, case):
    files, env = PINS[case]
    in_project(stage)
    needs = f'name = "one", marker = "{MARKERS["later"]}"'
    lock(stage, "sdist", more=ENTRY.replace('name = "one"', needs))
    stage.policy()
    write(stage, {"pyproject.toml": f'{HEAD}dependencies = ["one ; {MARKERS["later"]}"]\n'})
    assert stage.run(*CHECK).code == 0
    write(stage, files)
    if case == "a link":
        (stage.project / ".python-version").symlink_to("elsewhere")
    ended = stage.run(*CHECK, env=env)
    assert (ended.code, "one@1.0?py3-none-any" in ended.out) == (77, True), ended.err


def test_another_packing_of_a_wheel(stage):
    """It has a hash of its own, and who asked for it would get other bytes."""
    lock(stage, "wheel")
    stage.policy()
    write(stage, {"pyproject.toml": f'{HEAD}dependencies = ["one"]\n'})
    assert stage.run(*CHECK).code == 0
    text = (stage.project / "uv.lock").read_text()
    write(stage, {"uv.lock": text.replace('" }]\nsdist', f'", zstd = {{ hash = "sha256:{"0" * 64}" }} }}]\nsdist')})
    ended = stage.run(*CHECK)
    assert (ended.code, "unhashed" in ended.out) == (77, True), ended.out


PARTS = {
    "extra": ("x", 'extra = ["X"]'),
    "all extras": ("x", "all-extras = true"),
    "group": ("g", 'group = ["g"]'),
    "in place of default groups": ("alone", 'group = ["g"]'),
    "platform": ("windows", 'python-platform = "windows"'),
    "python": ("later", 'python-version = "3.20"'),
}


@pytest.mark.parametrize("case", PARTS)
def test_what_uv_is_told_to_take_of_a_pylock(stage, case):
    marker, told = PARTS[case]
    digest = stage.wheel("evil", "1.0")
    stage.policy()
    head = 'lock-version = "1.0"\ncreated-by = "x"\nextras = ["x"]\ndependency-groups = ["g", "default"]\n'
    wheel = f'{{ url = "{address(stage, wheel_name("evil", "1.0"))}", hashes = {{ sha256 = "{digest}" }} }}'
    entry = f'[[packages]]\nname = "evil"\nversion = "1.0"\nmarker = "{MARKERS[marker]}"\nwheels = [{wheel}]\n'
    write(stage, {"pylock.toml": f'{head}default-groups = ["default"]\n{entry}'})
    assert stage.run(*CHECK).code == 0
    write(stage, {"pyproject.toml": f"[tool.uv.pip]\n{told}\n"})
    ended = stage.run(*CHECK)
    assert uv_itself(stage, "pip", "sync", "pylock.toml").returncode == 0
    assert stage.installed == {"evil": "1.0"}
    assert (ended.code, "evil@1.0?py3-none-any" in ended.out) == (77, True), ended.err


@pytest.mark.parametrize("case", ["platform", "python"])
def test_what_lines_of_requirements_count_for(stage, case):
    marker, told = PARTS[case]
    digest = stage.wheel("evil", "1.0")
    stage.policy()
    write(stage, {"requirements.txt": f"evil==1.0 ; {MARKERS[marker]} --hash=sha256:{digest}\n"})
    assert stage.run(*CHECK).code == 0
    write(stage, {"uv.toml": f"[pip]\n{told}\n"})
    ended = stage.run(*CHECK)
    assert uv_itself(stage, "pip", "sync", "requirements.txt").returncode == 0
    assert stage.installed == {"evil": "1.0"}
    assert (ended.code, "evil 1.0" in ended.out or "evil@1.0" in ended.out) == (77, True), ended.err


def test_what_uv_is_told_to_take_beside_requirements(stage):
    good = stage.wheel("good", "1.0", YES)
    stage.wheel("evil", "1.0")
    stage.policy()
    more = '[dependency-groups]\ng = ["evil"]\n[tool.uv.pip]\ngroup = ["g"]\n'
    write(stage, {"requirements.txt": f"good==1.0 --hash=sha256:{good}\n", "pyproject.toml": HEAD + more})
    ended = stage.run(*CHECK)
    assert uv_itself(stage, "pip", "sync", "requirements.txt").returncode == 0
    assert stage.installed == {"evil": "1.0", "good": "1.0"}
    assert (ended.code, "`pip.group`" in ended.err) == (78, True), ended.err


@pytest.mark.parametrize("case", [*ELSEWHERE, "beside"])
def test_a_sync_goes_by_the_same(stage, case):
    files, env = ELSEWHERE.get(case, ({"uv.toml": BUILD}, {}))
    in_project(stage)
    lock(stage, "sdist")
    stage.policy()
    write(stage, {"pyproject.toml": f'{HEAD}dependencies = ["one"]\n', **files})
    ended = stage.run("openvet-uv", "sync", "--frozen", env=env)
    assert ended.code == 0, ended.err
    assert stage.installed == {"one": "1.0"}
