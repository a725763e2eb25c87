"""T07, T10, T11, T15: what uv's own files may not say, wherever they lie."""

import pytest

from openvet_install.errors import InstallError
from openvet_install.installers import uv

KEYS = {
    "http-proxy": '"http://evil"',
    "https-proxy": '"http://evil"',
    "no-proxy": '["*"]',
    "allow-insecure-host": '["idx"]',
    "python-downloads-json-url": '"file:///d"',
    "python-install-mirror": '"file:///d"',
    "find-links": '["./w"]',
    "offline": "true",
    "no-build-isolation": '"yes"',
    "no-build-isolation-package": '"six"',
    "preview": "true",
    "preview-features": '["pylock", "native-auth"]',
    "constraint-dependencies": '["evil @ file:///d"]',
    "override-dependencies": '["evil @ git+file:///d"]',
    "build-constraint-dependencies": '["evil @ https://h/e.whl"]',
    "dependency-metadata": '[{ name = "six", requires-dist = ["evil @ file:///d"] }]',
    "extra-build-dependencies": '{ six = ["evil @ file:///d"] }',
    "extra-build-variables": '{ six = { PYTHONPATH = "d" } }',
    "upgrade-package": '["evil @ file:///d"]',
    "index-url": '"file:///d"',
    "extra-index-url": '["./d"]',
    "index": '[{ url = "./w", format = "flat" }]',
    "unheard-of": "1",
}
PLACES = ["project", "pyproject", "parent", "parent-pyproject", "user", "system", "variable", "flag"]


@pytest.fixture
def place(user, project, tmp_path):
    """Write `text` as uv configuration in one of uv's places; returns (argv, variables, working folder, file)."""
    work = project / "a" / "b"
    work.mkdir(parents=True)

    def _place(where: str, text: str):
        in_project = where.endswith("pyproject")
        path = {
            "project": work / "uv.toml",
            "pyproject": work / "pyproject.toml",
            "parent": project / "uv.toml",
            "parent-pyproject": project / "pyproject.toml",
            "user": tmp_path / "home/.config/uv/uv.toml",
            "system": tmp_path / "xdg/uv/uv.toml",
            "variable": tmp_path / "v.toml",
            "flag": tmp_path / "f.toml",
        }[where]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[tool.uv]\n{text}" if in_project else text)
        variables = {**user, **({"UV_CONFIG_FILE": str(path)} if where == "variable" else {})}
        argv = ["--config-file", str(path)] if where == "flag" else []
        return [*argv, "pip", "install", "six"], variables, str(work), path

    return _place


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("key", KEYS)
def test_each_key_in_each_place(place, where, key):
    argv, variables, work, path = place(where, f"\n{key} = {KEYS[key]}\n")
    with pytest.raises(InstallError) as caught:
        uv.plan(argv, variables, work)
    line = 3 if where.endswith("pyproject") else 2
    assert caught.value.exit_code == (77 if " @ " in KEYS[key] else 78)
    assert caught.value.where.startswith(f"{path}:{line}, key `")


@pytest.mark.parametrize(
    "key", ["index-url", "extra-index-url", "index", "find-links", "no-build-isolation", "target", "upgrade-package"]
)
def test_keys_below_pip(place, key):
    value = KEYS.get(key, '"d"')
    argv, variables, work, path = place("project", f"[pip]\n{key} = {value}\n")
    with pytest.raises(InstallError) as caught:
        uv.plan(argv, variables, work)
    assert caught.value.where.startswith(f"{path}:2, key `pip.")


def test_a_workspace_above_is_judged_although_the_member_has_its_own_table(place, project):
    argv, variables, work, _path = place("pyproject", 'resolution = "lowest"\n')
    (project / "pyproject.toml").write_text(
        '[tool.uv.workspace]\nmembers = ["a/b"]\n[tool.uv]\nhttp-proxy = "http://evil"\n'
    )
    with pytest.raises(InstallError) as caught:
        uv.plan(argv, variables, work)
    assert caught.value.exit_code == 78


def test_cache_control_of_an_index(place):
    argv, variables, work, path = place(
        "project", '[[index]]\nname = "i"\nurl = "https://i/s"\ncache-control = { api = "max-age=99999" }\n'
    )
    with pytest.raises(InstallError) as caught:
        uv.plan(argv, variables, work)
    assert caught.value.what == "`cache-control` is refused: approvals are judged anew in each run"
    assert caught.value.where == f"{path}:4, key `index.cache-control`"


@pytest.mark.parametrize("key", ["frob", "proxy", "cache_control", "Cache-Control"])
def test_index_tables_have_their_own_list(place, key):
    argv, variables, work, _path = place("project", f'[[index]]\nurl = "https://i/s"\n{key} = "x"\n')
    with pytest.raises(InstallError) as caught:
        uv.plan(argv, variables, work)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONPATH",
        "HTTPS_PROXY",
        "all_proxy",
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "LD_PRELOAD",
        "PATH",
        "PIP_X",
        "GIT_DIR",
    ],
)
def test_variables_for_builds(place, name):
    argv, variables, work, _path = place("project", f'[extra-build-variables]\nsix = {{ {name} = "x" }}\n')
    with pytest.raises(InstallError, match=f"it sets `{name}` for builds"):
        uv.plan(argv, variables, work)


def test_both_sides_of_a_merge_are_told(place):
    argv, variables, work, path = place("parent", "a = 1")
    path.write_text("<<<<<<< HEAD\n=======\n>>>>>>> theirs\n")
    with pytest.raises(InstallError, match="not TOML") as caught:
        uv.plan(argv, variables, work)
    assert caught.value.hint == "git left both sides of a merge in it: keep one of them whole"


@pytest.mark.parametrize("text", ["x = ", "\xff", 'a = "' + "b" * 10])
def test_a_file_that_cannot_be_read_is_not_skipped(place, text):
    argv, variables, work, path = place("parent", text)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InstallError, match="not TOML"):
        uv.plan(argv, variables, work)


@pytest.mark.parametrize(
    "said",
    [
        "extra-build-variables = { six = { CC = 'x' } }",
        "extra-build-variables = { six = { DIST_EXTRA_CONFIG = 'x' } }",
        "extra-build-variables = { six = { CFLAGS = '-I /d' } }",
        "extra-build-variables = { six = { MAKEFLAGS = '--eval=x:=$(shell id)' } }",
        "config-settings = { setup-args = ['--native-file=./d'] }",
        "config-settings-package = { six = { 'cmake.args' = '-DCMAKE_C_COMPILER_LAUNCHER=x' } }",
        "[pip]\nconfig-settings = { x = '/d' }",
        "extra-build-variables = { six = { CFLAGS = '-wrapper sh,-c,x' } }",
        "extra-build-variables = { six = { LDFLAGS = '-fuse-ld=x' } }",
        "extra-build-variables = { six = { PKG_CONFIG = 'x' } }",
        "extra-build-variables = { six = { PG_CONFIG = 'x' } }",
        "extra-build-variables = { six = { CCACHE_PREFIX = 'x' } }",
        "extra-build-variables = { six = { CMAKE_ARGS = '-DCMAKE_C_CPPCHECK=sh;-c;x' } }",
        "extra-build-variables = { six = { CMAKE_ARGS = '-DCMAKE_C_COMPILE_OBJECT=x y' } }",
        "extra-build-variables = { six = { MAX_JOBS = '1; x' } }",
        "config-settings = { 'cmake.define.CMAKE_C_COMPILER_LAUNCHER' = 'x' }",
        "config-settings-package = { six = { 'cmake.define.CMAKE_C_LINK_EXECUTABLE' = 'x y' } }",
        "config-settings = { build-args = '--config build.rustc-wrapper=x' }",
    ],
)
@pytest.mark.parametrize("where", ["project", "user"])
def test_a_project_leads_no_build_to_something_of_its_own(place, where, said):
    """In the build of an approved sdist: what a user has said by himself is his."""
    argv, variables, work, path = place(where, said)
    if where == "user":
        assert uv.plan(argv, variables, work)
        return
    with pytest.raises(InstallError) as caught:
        uv.plan(argv, variables, work)
    assert caught.value.exit_code == 78
    assert caught.value.where.startswith(f"{path}:")


def test_what_a_project_says_to_builds_otherwise(place):
    argv, variables, work, _path = place(
        "project",
        "config-settings = { editable_mode = 'compat', x = ['-Da=b', '1.2'], 'cmake.define.A_B' = 'ON' }\n"
        "config-settings-package = { a-plugin-runner = { x = 'y' } }\n"
        "[extra-build-variables.six]\nMAX_JOBS = '4'\nCMAKE_ARGS = '-DGGML_CUDA=on'\nCFLAGS = '-O2 -g'\n"
        "[extra-build-variables.seven]\nTORCH_CUDA_ARCH_LIST = '8.0;8.6+PTX'\n",
    )
    assert uv.plan(argv, variables, work)
