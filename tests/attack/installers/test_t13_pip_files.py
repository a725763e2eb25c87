"""T13: pip.conf in each of its places."""

import pytest

from openvet_install.errors import InstallError
from openvet_install.installers import pip, pip_config
from openvet_install.installers.commands import links_of, projects_of

PLACES = ["machine", "legacy", "user", "site", "variable"]
UPSTREAM = {"proxy": "http://evil", "trusted-host": "evil", "cert": "/evil.pem", "client-cert": "/evil.pem"}
REFUSED = {
    "no-proxy-env": "true",
    "isolated": "true",
    "python": "/evil",
    "index-url": "file:///evil",
    "extra-index-url": "https://a/s /evil",
}


@pytest.fixture
def place(user, tmp_path, target_prefix):
    written = []

    def _place(where: str, text: str):
        path = {
            "machine": tmp_path / "xdg/pip/pip.conf",
            "legacy": tmp_path / "home/.pip/pip.conf",
            "user": tmp_path / "home/.config/pip/pip.conf",
            "site": target_prefix / "pip.conf",
            "variable": tmp_path / "my.conf",
        }[where]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)
        variables = {**user, **({"PIP_CONFIG_FILE": str(path)} if where == "variable" else {})}
        return path, variables

    yield _place
    for path in written:
        path.unlink()


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("key", REFUSED)
@pytest.mark.parametrize("section", ["global", "install"])
def test_refused_everywhere(place, target_prefix, where, key, section):
    path, variables = place(where, f"[{section}]\n# x\n{key} = {REFUSED[key]}\n")
    with pytest.raises(InstallError) as caught:
        pip_config.read(variables, str(target_prefix))
    assert (caught.value.exit_code, caught.value.where) == (78, f"{path}:3, key `{key}`")


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("key", ["requirement", "constraint", "build-constraint"])
def test_files_are_read_for_the_user_and_refused_to_the_project(place, project, write, where, key):
    write("a.txt", "toml==1\n")
    write("b.txt", "idna==1\n")
    path, variables = place(where, f"[install]\n{key} = a.txt\n  b.txt\n")
    if where == "site":
        with pytest.raises(InstallError) as caught:
            pip.plan(["install", "six"], variables, str(project))
        assert (caught.value.exit_code, caught.value.where) == (78, f"{path}:2, key `{key}`")
        return
    found = pip.plan(["install", "six"], variables, str(project))
    assert [source.text() for source in found.inputs] == ["toml==1\n", "idna==1\n"]
    assert f"PIP_{key.upper()}" not in found.environment
    found = pip.plan(["install", "six"], {**variables, f"PIP_{key.replace('-', '_').upper()}": "b.txt"}, str(project))
    assert [source.text() for source in found.inputs] == ["idna==1\n"]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("key", ["target", "prefix", "root"])
def test_other_targets_are_the_user_s_to_name(place, project, target_prefix, where, key):
    path, variables = place(where, f"[install]\n{key} = there\n")
    if where == "site":
        with pytest.raises(InstallError) as caught:
            pip.plan(["install", "six"], variables, str(project))
        assert (caught.value.exit_code, caught.value.where) == (78, f"{path}:2, key `{key}`")
        return
    found = pip.plan(["install", "six"], variables, str(project))
    assert f"--{key}={project}/there" in found.argv
    assert found.target.purelib.is_relative_to(project / "there")
    assert found.target.python.is_relative_to(target_prefix)


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("key", ["find-links", "editable"])
def test_folders_are_the_user_s_to_name(place, project, where, key):
    path, variables = place(where, f"[global]\n{key} = {project}\n")
    if where == "site":
        with pytest.raises(InstallError) as caught:
            pip.plan(["install", "six"], variables, str(project))
        assert (caught.value.exit_code, caught.value.where) == (78, f"{path}:2, key `{key}`")
        return
    found = pip.plan(["install", "six"], variables, str(project))
    assert [one.path for one in (*links_of(found.argv), *projects_of(found.argv))] == [str(project)]
    assert not {"PIP_FIND_LINKS", "PIP_EDITABLE"} & set(found.environment)


def test_links_to_nowhere_are_told_with_their_place(place, project):
    path, variables = place("user", "[global]\nfind-links =\n  ./none\n  ~/wheels\n")
    found = pip.plan(["install", "six"], variables, str(project))
    assert links_of(found.argv) == ()
    assert [one.partition(" is neither")[0] for one in found.warnings] == [
        "`--find-links`: `./none`", "`--find-links`: `~/wheels`"
    ]  # fmt: skip
    assert all(one.endswith(f"so pip passes it over ({path}:2)") for one in found.warnings)


def test_a_home_folder_in_links_is_put_in_as_by_pip(place, project, tmp_path, monkeypatch):
    _path, variables = place("user", "[global]\nfind-links = ~/wheels\n")
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    (home / "wheels").mkdir(parents=True, exist_ok=True)
    found = pip.plan(["install", "six"], variables, str(project))
    assert [one.path for one in links_of(found.argv)] == [str(home / "wheels")]
    assert found.warnings == ()


def test_links_to_no_folder_stop_with_their_place(place, project):
    path, variables = place("user", "[global]\nfind-links = afile\n")
    (project / "afile").touch()
    for more, where in (({}, f"{path}:2"), ({"PIP_FIND_LINKS": "afile"}, "PIP_FIND_LINKS")):
        with pytest.raises(InstallError, match="neither a folder") as caught:
            pip.plan(["install", "six"], {**variables, **more}, str(project))
        assert (caught.value.exit_code, caught.value.where) == (64, where)
    with pytest.raises(InstallError, match="neither a folder") as caught:
        pip.plan(["install", "six", "-f", "afile"], {**variables, "PIP_CONFIG_FILE": "/dev/null"}, str(project))
    assert caught.value.where is None


@pytest.mark.parametrize("spelled", ["no_proxy_env", "NO-PROXY-ENV", "--no-proxy-env", "No_Proxy_Env"])
def test_other_spellings_of_a_key(place, project, spelled):
    _path, variables = place("user", f"[global]\n{spelled}: 1\n")
    with pytest.raises(InstallError, match="`no-proxy-env` is refused"):
        pip.plan(["install", "six"], variables, str(project))


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("key", UPSTREAM)
def test_the_way_out_is_the_user_s_and_never_the_child_s(place, project, where, key):
    path, variables = place(where, f"[global]\n{key} = {UPSTREAM[key]}\n")
    if where == "site":
        with pytest.raises(InstallError) as caught:
            pip.plan(["install", "six"], variables, str(project))
        assert caught.value.what == f"`{key}` is refused: the way out is not the project's to choose"
        assert caught.value.where == f"{path}:2, key `{key}`"
        return
    found = pip.plan(["install", "six"], variables, str(project))
    assert "evil" not in repr(dict(found.environment))
    upstream = found.upstream
    said = (upstream.proxies, upstream.insecure_hosts, upstream.ca_file, upstream.client_cert)
    assert "evil" in repr(said)
