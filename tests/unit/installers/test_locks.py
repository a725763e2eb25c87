"""Locks read into values, and what one target would install from them.

The stored locks were made by uv for real projects and trimmed (hosts replaced, few platforms kept); the selections
expected here are what uv and pip installed from the full ones on those targets.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from packaging.tags import Tag, compatible_tags, cpython_tags

from openvet_install.errors import ConfigError, InstallError
from openvet_install.installers.locks import (
    LockContentError,
    LockError,
    Wanted,
    all_files,
    kind_of,
    parse_lock,
    read_lock,
    select,
)
from openvet_install.installers.uv_beside import with_config

DATA = Path(__file__).resolve().parents[2] / "data" / "locks"
INDEX = "https://index.example/simple"
A, B, C = "a" * 64, "b" * 64, "c" * 64
WHEEL = "-py3-none-any.whl"


def tags(minor=11, platforms=("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")) -> list[Tag]:
    version = (3, minor)
    return [
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, interpreter=f"cp3{minor}", platforms=platforms),
    ]


ONE = "some_one-1.0-py3-none-any.whl"


def environment(minor=11, platform="linux"):
    names = {"linux": ("posix", "Linux", "x86_64"), "win32": ("nt", "Windows", "AMD64")}
    os_name, system, machine = names[platform]
    return {
        "implementation_name": "cpython",
        "implementation_version": f"3.{minor}.4",
        "os_name": os_name,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": f"3.{minor}.4",
        "python_version": f"3.{minor}",
        "sys_platform": platform,
    }


def uv(text, pyproject=None):
    return parse_lock(text, Path("/somewhere/uv.lock"), "uv", pyproject=pyproject)


def pylock(text):
    return parse_lock('lock-version = "1.0"\ncreated-by = "a test"\n' + text, Path("/somewhere/pylock.toml"), "pylock")


def stored(name, pyproject=None):
    path = DATA / f"{name}.uv.lock"
    return parse_lock(path.read_text(encoding="utf-8"), path.with_name("uv.lock"), "uv", pyproject=pyproject)


def names(selection):
    return {f"{chosen.file.name} {chosen.file.version}" for chosen in selection.files}


def whys(selection):
    return {f"{one.name} {one.version}": one.why for one in selection.not_here}


def package(name, more="", source=f'{{ registry = "{INDEX}" }}', files=None, version="1.0"):
    url = f"https://files.example/{name}-{version}-py3-none-any.whl"
    files = f'wheels = [{{ url = "{url}", hash = "sha256:{A}" }}]' if files is None else files
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {source}\n{more}\n{files}\n\n'


def project(dependencies, more=""):
    lines = f"dependencies = [{dependencies}]\n{more}"
    return package("app", lines, source='{ virtual = "." }', files="")


class TestSelectFromRealLocks:
    def test_forks_by_python_version(self):
        lock = stored("forks")
        old, new = (select(lock, tags(minor), environment(minor)) for minor in (9, 13))

        assert {"anyio 4.12.1", "numpy 2.0.2", "pytest 8.4.2"} <= names(old)
        assert {"anyio 4.16.0", "numpy 2.5.5", "pytest 9.2.0", "colorama 0.4.6"} <= names(new)
        assert len(new.files) == 25
        assert len(old.files) == 29
        assert whys(new)["anyio 4.12.1"] == "python_full_version < '3.10'"
        assert whys(new)["orjson 3.13.0"] == "extra fast"
        assert whys(new)["markdown 3.11.3"] == "group docs"

    def test_the_best_wheel_for_the_target(self):
        lock = stored("forks")
        linux = select(lock, tags(11), environment(11))
        windows = select(lock, tags(11, ("win_amd64",)), environment(11, "win32"))
        (on_linux,) = [one.file.filename for one in linux.files if one.file.name == "numpy"]
        (on_windows,) = [one.file.filename for one in windows.files if one.file.name == "numpy"]

        assert on_linux == "numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
        assert on_windows == "numpy-2.4.6-cp311-cp311-win_amd64.whl"

    def test_extras_and_groups_on_request(self):
        lock = stored("forks")
        wanted = Wanted(extras=frozenset({"fast"}), groups=frozenset({"docs"}))
        chosen = names(select(lock, tags(), environment(), wanted))

        assert {"orjson 3.13.0", "markdown 3.11.3"} <= chosen
        assert not any(name.startswith("pytest ") for name in chosen)

    def test_a_workspace_with_conflicting_extras(self):
        lock = stored("workspace")
        plain = select(lock, tags(), environment())
        gpu = select(lock, tags(), environment(), Wanted(extras=frozenset({"gpu"})))

        assert names(plain) == {
            "attrs 26.1.0",
            "jupyter-core 5.9.1",
            "platformdirs 4.14.7",
            "ruff 0.17.6",
            "toposort 1.10",
            "traitlets 5.16.1",
        }
        assert [(one.name, one.source.kind) for one in plain.direct] == [
            ("wsroot", "virtual"),
            ("libx", "editable"),
            ("liby", "directory"),
        ]
        assert whys(plain) == {
            "colorama 0.4.6": "win32",
            "idna 3.9": "extra gpu",
            "idna 3.10": "extra cpu",
            "platformdirs 4.12.4": "python_full_version < '3.11'",
        }
        assert names(gpu) - names(plain) == {"idna 3.9"}

    def test_default_groups_of_the_pyproject_beside(self):
        def told(value):
            pyproject = f"[tool.uv]\ndefault-groups = {value}\n"
            return names(select(stored("workspace", pyproject), tags(), environment()))

        assert {"ruff 0.17.6", "toposort 1.10"} <= told('"all"')
        assert "toposort 1.10" not in told('["dev"]')
        assert "ruff 0.17.6" in told('["dev"]')
        assert "ruff 0.17.6" not in told("[]")

    def test_a_member_as_root(self):
        wanted = Wanted(roots=("libx",))
        on_windows = select(stored("workspace"), tags(11, ("win_amd64",)), environment(11, "win32"), wanted)

        assert names(on_windows) == {"colorama 0.4.6"}
        assert whys(on_windows)["ruff 0.17.6"] == "not asked for"

    def test_the_way_to_a_file(self):
        ways = {one.file.name: one.via for one in select(stored("forks"), tags(), environment()).files}

        assert ways["flask"] == ("proj-a",)
        assert ways["markupsafe"] == ("proj-a", "flask")
        assert ways["hpack"] == ("proj-a", "httpx", "h2")

    def test_lines(self):
        lock = stored("forks")
        text = (DATA / "forks.uv.lock").read_text(encoding="utf-8").split("\n")

        for entry in lock.packages:
            assert text[entry.line - 1] == "[[package]]"
            assert text[entry.line] == f'name = "{entry.name}"'
        assert lock.where(lock.packages[0]) == f"uv.lock:{lock.packages[0].line}"

    def test_all_files(self):
        lock = stored("forks")

        assert len(all_files(lock)) == sum(len(entry.files) for entry in lock.packages) > 100
        assert {one.file.sha256 for one in select(lock, tags(), environment()).files} <= {
            one.file.sha256 for one in all_files(lock)
        }


class TestUvLock:
    def test_the_values_of_a_file(self):
        files = (
            f'sdist = {{ url = "https://me:secret@files.example/one-1.0.tar.gz#x", hash = "sha256:{B}", size = 7, '
            'upload-time = "2024-11-08T17:25:47.436Z" }'
        )
        (chosen,) = all_files(uv("version = 1\n" + package("one", files=files)))

        assert chosen.file.url == "https://files.example/one-1.0.tar.gz"
        assert (chosen.file.name, chosen.file.version, chosen.file.sha256) == ("one", "1.0", B)
        assert (chosen.file.size, chosen.file.index) == (7, INDEX)
        assert chosen.file.uploaded == datetime(2024, 11, 8, 17, 25, 47, tzinfo=timezone.utc)

    def test_the_sdist_when_no_wheel_fits(self):
        files = (
            f'sdist = {{ url = "https://files.example/one-1.0.tar.gz", hash = "sha256:{B}" }}\n'
            f'wheels = [{{ url = "https://files.example/one-1.0-cp39-cp39-win32.whl", hash = "sha256:{A}" }}]'
        )
        lock = uv("version = 1\n" + project('{ name = "one" }') + package("one", files=files))
        (chosen,) = select(lock, tags(), environment()).files
        never = select(lock, tags(), environment(), Wanted(no_build=True))

        assert chosen.file.sha256 == B
        assert never.files == ()
        assert whys(never) == {"one 1.0": "no file fits"}

    def test_the_sdist_when_the_user_wants_it_built(self):
        files = (
            f'sdist = {{ url = "https://files.example/one-1.0.tar.gz", hash = "sha256:{B}" }}\n'
            f'wheels = [{{ url = "https://files.example/one-1.0-py3-none-any.whl", hash = "sha256:{A}" }}]'
        )
        lock = uv("version = 1\n" + project('{ name = "one" }') + package("one", files=files))

        for wanted, digest in ((Wanted(), A), (Wanted(no_binary=frozenset({"one"})), B)):
            (chosen,) = select(lock, tags(), environment(), wanted).files
            assert chosen.file.sha256 == digest

    def test_the_higher_build_number(self):
        wheels = ", ".join(
            f'{{ url = "https://files.example/one-1.0-{build}py3-none-any.whl", hash = "sha256:{digest}" }}'
            for build, digest in (("", A), ("10-", B), ("9-", C))
        )
        lock = uv("version = 1\n" + project('{ name = "one" }') + package("one", files=f"wheels = [{wheels}]"))
        (chosen,) = select(lock, tags(), environment()).files

        assert chosen.file.sha256 == B

    @pytest.mark.parametrize(
        ("one", "other", "by_uv", "by_pip"),
        [
            ("cp311-cp311-linux_x86_64", "cp311-cp311-manylinux_2_17_x86_64", B, A),
            ("CP311-none-any", "py3-none-any", B, A),
            ("py3-none-any", "2-py3-none-any", B, A),
            ("py2.py3-none-any", "py3-none-any", A, A),
        ],
    )
    def test_what_either_tool_takes_of_two_wheels_that_fit(self, one, other, by_uv, by_pip):
        """As uv 0.13.9 and pip 26.3 did."""
        here = [*tags(platforms=("linux_x86_64", "manylinux_2_17_x86_64"))]
        urls = [(f"https://files.example/one-1.0-{tag}.whl", digest) for tag, digest in ((one, A), (other, B))]
        wheels = ", ".join(f'{{ url = "{url}", hash = "sha256:{digest}" }}' for url, digest in urls)
        lock = uv("version = 1\n" + project('{ name = "one" }') + package("one", files=f"wheels = [{wheels}]"))
        assert [chosen.file.sha256 for chosen in select(lock, here, environment()).files] == [by_uv]
        wheels = ", ".join(f'{{ url = "{url}", hashes = {{ sha256 = "{digest}" }} }}' for url, digest in urls)
        lock = pylock(f'[[packages]]\nname = "one"\nversion = "1.0"\nwheels = [{wheels}]\n')
        assert {chosen.file.sha256 for chosen in select(lock, here, environment()).files} == {by_uv, by_pip}

    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ('{ git = "https://git.example/x?rev=1#65486e4383f9" }', "git"),
            ('{ url = "https://files.example/two-1.0-py3-none-any.whl" }', "url"),
            ('{ path = "../two-1.0-py3-none-any.whl" }', "path"),
            ('{ directory = "two" }', "directory"),
            ('{ editable = "two" }', "editable"),
            ('{ virtual = "two" }', "virtual"),
            ("{ }", "unknown"),
        ],
    )
    def test_what_has_no_index_is_told_apart(self, source, kind):
        before = "version = 1\n" + project('{ name = "two" }')
        lock = uv(before + package("two", source=source, files=""))
        selection = select(lock, tags(), environment())

        assert [(one.name, one.source.kind) for one in selection.direct] == [("app", "virtual"), ("two", kind)]
        assert selection.files == ()
        assert selection.direct[1].line == before.count("\n") + 1

    def test_a_registry_that_is_a_folder(self):
        files = 'wheels = [{ path = "one-1.0-py3-none-any.whl" }]'
        lock = uv("version = 1\n" + package("one", source='{ registry = "vendor" }', files=files))
        (chosen,) = all_files(lock)

        assert chosen.file.url == "file:///somewhere/vendor/one-1.0-py3-none-any.whl"
        assert chosen.file.sha256 is None

    def test_another_algorithm_is_no_sha256(self):
        files = f'wheels = [{{ url = "https://files.example/one-1.0-py3-none-any.whl", hash = "sha512:{A}{A}" }}]'

        assert all_files(uv("version = 1\n" + package("one", files=files)))[0].file.sha256 is None

    def test_a_script_starts_from_its_requirements(self):
        text = 'version = 1\n[manifest]\nrequirements = [{ name = "one", specifier = ">=1" }]\n'
        forks = "resolution-markers = [\"python_full_version %s '3.10'\"]"
        text += package("one", forks % "<", version="1.0") + package("one", forks % ">=", version="1.1")

        selection = select(uv(text), tags(), environment())

        assert names(selection) == {"one 1.1"}
        assert whys(selection) == {"one 1.0": "python_full_version < '3.10'"}

    def test_a_root_that_is_no_package(self):
        text = (
            'version = 1\n[manifest]\nmembers = ["m-one", "m-two"]\n'
            '[manifest.dependency-groups]\ndev = [{ name = "tool" }]\nother = [{ name = "not" }]\n'
        )
        for member, wanted in (("m-one", "one"), ("m-two", "two")):
            text += package(member, f'dependencies = [{{ name = "{wanted}" }}]', f'{{ editable = "{member}" }}', "")
        text += "".join(package(name) for name in ("one", "two", "tool", "not"))

        selection = select(uv(text), tags(), environment())

        assert names(selection) == {"one 1.0", "two 1.0", "tool 1.0"}
        assert whys(selection) == {"not 1.0": "group other"}

    @pytest.mark.parametrize(
        ("told", "kind"),
        [
            (f'specifier = "==1.0", hashes = ["sha256:{A}"]', "registry"),
            (f'path = "one-1.0.tar.gz", hashes = ["sha256:{A}"]', "path"),
            ("odd = 1", "unknown"),
        ],
    )
    def test_where_build_requirements_come_from(self, told, kind):
        (one,) = uv(f'version = 1\n[manifest]\nbuild-constraints = [{{ name = "one", {told} }}]\n').build_constraints

        assert one.source.kind == kind

    @pytest.mark.parametrize("older", [False, True], ids=["", "older keys"])
    def test_groups_of_the_root_beside_those_of_a_member(self, older):
        """The member gets what is named, but for what it has itself, and none of the root's default ones."""
        text = 'version = 1\n[manifest]\nmembers = ["app", "inner"]\n'
        text += '[manifest.dependency-groups]\nchecks = [{ name = "five" }]\ndev = [{ name = "not" }]\n'
        groups = "[package.dev-dependencies]\n" + "".join(
            f'{name} = [{{ name = "{wanted}" }}]\n'
            for name, wanted in (("dev", "not"), ("checks", "one"), ("own", "hid"), ("off", "non"), ("bare", "hid"))
        )
        text += project("", groups)
        own = '[package.dev-dependencies]\nown = [{ name = "two" }]\n[package.metadata.requires-dev]\nbare = []'
        text += package("inner", own, '{ virtual = "inner" }', "")
        text += "".join(map(package, ("one", "two", "five", "not", "hid", "non")))
        if older:
            text = text.replace("[package", "[distribution").replace("dev-dependencies", "dependency-groups")
        named = frozenset({"checks", "own", "off", "bare"})
        wanted = Wanted(roots=("inner",), named_groups=named, without_groups=frozenset({"off"}))

        lock = uv(text)

        assert names(select(lock, tags(), environment(), wanted)) == {"one 1.0", "two 1.0", "five 1.0"}
        every = wanted._replace(every_member=True)
        assert names(select(lock, tags(), environment(), every)) == {"two 1.0", "five 1.0", "not 1.0"}
        alone = wanted._replace(roots=None)
        assert names(select(lock, tags(), environment(), alone)) == {"not 1.0", "one 1.0", "five 1.0", "hid 1.0"}
        assert None not in [one.line for one in lock.packages]

    def test_a_group_that_asks_for_an_extra_in_conflict(self):
        """For uv what an edge asks for is active where it asks."""
        marker = "extra == 'extra-3-app-fast'"
        more = f'[package.optional-dependencies]\nfast = [{{ name = "one", marker = "{marker}" }}]\n'
        more += f'[package.dev-dependencies]\ndev = [{{ name = "app", extra = ["fast"], marker = "{marker}" }}]\n'
        more += f'also = [{{ name = "two", marker = "{marker.replace("==", "!=")}" }}]'  # which is read before `dev`
        conflicts = 'conflicts = [[{ package = "app", extra = "fast" }, { package = "app", extra = "slow" }]]\n'
        lock = uv("version = 1\n" + conflicts + project("", more) + package("one") + package("two"))

        assert names(select(lock, tags(), environment())) == {"one 1.0"}
        both = Wanted(groups=frozenset({"also", "dev"}))
        assert names(select(lock, tags(), environment(), both)) == {"one 1.0", "two 1.0"}
        assert names(select(lock, tags(), environment(), Wanted(groups=frozenset()))) == set()

    def test_spellings_of_one_name_and_version(self):
        """Two entries, so that the edge says which: uv reads names and versions, not their text."""
        one = package(
            "Some_One", version="1.0.0", files=f'wheels = [{{ url = "https://f/{ONE}", hash = "sha256:{A}" }}]'
        )
        edge = f'{{ name = "some.one", version = "v1.0", source = {{ registry = "{INDEX}" }} }}'
        lock = uv("version = 1\n" + project(edge) + one + package("some-one", version="2.0", files=""))

        assert names(select(lock, tags(), environment())) == {"some-one 1.0"}

    def test_a_group_that_asks_for_its_own_project(self):
        dev = '[package.dev-dependencies]\ndev = [{ name = "app" }]'
        lock = uv("version = 1\n" + project('{ name = "one" }', dev) + package("one"))

        wanted = Wanted(groups=frozenset(), without_project=True)
        assert names(select(lock, tags(), environment(), wanted)) == set()
        assert names(select(lock, tags(), environment(), wanted._replace(named_groups={"dev"}))) == {"one 1.0"}

    def test_an_active_group_in_a_marker(self):
        marker = "extra == 'group-3-app-dev'"
        dependency = (
            f'{{ name = "one", marker = "{marker}" }}, {{ name = "two", marker = "{marker.replace("==", "!=")}" }}'
        )
        dev = '[package.dev-dependencies]\ndev = [{ name = "three" }]'
        text = project(dependency, dev) + "".join(map(package, ("one", "two", "three")))
        assert names(select(uv("version = 1\n" + text), tags(), environment())) == {"two 1.0", "three 1.0"}
        conflicts = 'conflicts = [[{ package = "app", group = "dev" }, { package = "app", group = "old" }]]\n'
        lock = uv("version = 1\n" + conflicts + text)

        assert names(select(lock, tags(), environment())) == {"one 1.0", "three 1.0"}
        assert names(select(lock, tags(), environment(), Wanted(groups=frozenset()))) == {"two 1.0"}

    def test_both_sides_of_a_merge_are_told(self):
        with pytest.raises(LockError, match="not TOML") as caught:
            uv("version = 1\n<<<<<<< HEAD\n[[package]]\n=======\n>>>>>>> theirs\n")

        assert caught.value.hint == "git left both sides of a merge in it: keep one of them whole"

    @pytest.mark.parametrize(
        ("text", "what", "where"),
        [
            ("version = 1\nx = \n", "not TOML", "uv.lock:2"),
            ("", "no version", "uv.lock"),
            ("version = 2\n", "version 2", "uv.lock"),
            ('version = "1"\n', "`version` is not", "uv.lock"),
            ("version = 1\npackage = 3\n", "`package` is not", "uv.lock"),
            ("version = 1\npackage = []\ndistribution = []\n", "the same to uv", "uv.lock"),
            ('version = 1\n\n[[package]]\nversion = "1"\n', "`name` is missing", "uv.lock:3"),
            ('version = 1\n\n[[package]]\nname = "x"\n', "`source` is missing", "uv.lock:3"),
            ("version = 1\n" + package("x", "dependencies = [1]"), "not a list of tables", "uv.lock:2"),
            ("version = 1\n" + package("x", 'resolution-markers = ["oops"]'), "`oops` is not a marker", "uv.lock:2"),
        ],
    )
    def test_what_cannot_be_read(self, text, what, where):
        with pytest.raises(LockError) as caught:
            uv(text)

        assert what in caught.value.what
        assert caught.value.where == where
        assert caught.value.exit_code == 64

    @pytest.mark.parametrize(
        ("wheel", "digest"),
        [
            ("one-1.0-py3-none-any.whl", "sha256:xyz"),
            ("one-1.0-py3-none-any.whl", "sha256:abcd"),
            ("other-1.0-py3-none-any.whl", f"sha256:{A}"),
            ("one-1.1-py3-none-any.whl", f"sha256:{A}"),
            ("one.whl", f"sha256:{A}"),
        ],
    )
    def test_entries_that_contradict_themselves(self, wheel, digest):
        files = f'wheels = [{{ url = "https://files.example/{wheel}", hash = "{digest}" }}]'
        with pytest.raises(LockContentError) as caught:
            uv("version = 1\n\n" + package("one", files=files))

        assert caught.value.where == "uv.lock:3"
        assert caught.value.exit_code == 65

    def test_a_dependency_that_is_not_there(self):
        lock = uv("version = 1\n" + project('{ name = "gone" }'))

        with pytest.raises(LockError, match="no entry for the dependency `gone`"):
            select(lock, tags(), environment())

    def test_another_python(self):
        lock = uv('version = 1\nrequires-python = ">=3.12"\n')

        with pytest.raises(LockError, match=r"made for Python >=3.12, the target has 3.11.4"):
            select(lock, tags(), environment())

    def test_another_environment(self):
        lock = uv("version = 1\nsupported-markers = [\"sys_platform == 'darwin'\"]\n")

        with pytest.raises(LockError, match="made for other environments"):
            select(lock, tags(), environment())

    def test_a_python_before_its_release(self):
        env = environment(12) | {"python_full_version": "3.12.0rc1+"}

        assert select(uv('version = 1\nrequires-python = ">=3.12"\n'), tags(12), env).files == ()

    def test_the_project_beside_is_the_root(self):
        text = "version = 1\n" + project("") + package("one")
        text += package("other", 'dependencies = [{ name = "one" }]', '{ virtual = "elsewhere" }', "")

        assert names(select(uv(text, '[project]\nname = "Other"\n'), tags(), environment())) == {"one 1.0"}
        assert names(select(uv(text, '[project]\nname = "renamed"\n'), tags(), environment())) == set()

    def test_no_login_is_kept(self):
        for source in ("git", "url", "registry"):
            (entry,) = uv(
                "version = 1\n" + package("x", source=f'{{ {source} = "https://me:secret@x.example/x#abc" }}', files="")
            ).packages
            kept = "https://x.example/x#abc" if source == "git" else "https://x.example/x"
            assert entry.source.location == kept

    def test_an_unknown_member(self):
        with pytest.raises(LockError, match="no member of the workspace is called `nobody`"):
            select(stored("workspace"), tags(), environment(), Wanted(roots=("nobody",)))

    def test_a_header_inside_a_text_is_no_entry(self):
        text = 'version = 1\nnote = """\n[[package]]\n"""\n' + package("one")

        assert uv(text).packages[0].line == 5

    def test_a_layout_without_headers_has_no_lines(self):
        lock = uv(f'version = 1\npackage = [{{ name = "one", source = {{ registry = "{INDEX}" }} }}]\n')

        assert lock.packages[0].line is None
        assert lock.where(lock.packages[0]) == "uv.lock"


class TestPylock:
    HASHES = f'hashes = {{ sha256 = "{A}" }}'
    WHEEL = f'{{ url = "https://files.example/one-1.0-py3-none-any.whl", {HASHES} }}'

    def test_an_entry(self):
        lock = pylock(f'[[packages]]\nname = "one"\nversion = "1.0"\nindex = "{INDEX}"\nwheels = [{self.WHEEL}]\n')
        (chosen,) = select(lock, tags(), environment()).files

        assert (chosen.file.sha256, chosen.file.index, chosen.line, chosen.via) == (A, INDEX, 3, ())

    def test_markers_groups_and_extras(self):
        entries = {"one": "'dev' in dependency_groups", "two": "'fast' in extras", "three": "sys_platform == 'win32'"}
        text = 'default-groups = ["dev"]\ndependency-groups = ["dev"]\nextras = ["fast"]\n' + "".join(
            f'[[packages]]\nname = "{name}"\nversion = "1.0"\nmarker = "{marker}"\n'
            f"wheels = [{self.WHEEL.replace('/one-', f'/{name}-')}]\n"
            for name, marker in entries.items()
        )
        plain = select(pylock(text), tags(), environment())

        assert names(plain) == {"one 1.0"}
        assert whys(plain) == {"two 1.0": "'fast' in extras", "three 1.0": "win32"}
        wanted = Wanted(extras=frozenset({"fast"}), groups=frozenset())
        assert names(select(pylock(text), tags(), environment(), wanted)) == {"two 1.0"}

    @pytest.mark.parametrize(
        ("entry", "kind"),
        [
            ('vcs = { type = "git", url = "https://git.example/g", commit-id = "65486e43" }', "vcs"),
            ('directory = { path = "d" }', "directory"),
            ('directory = { path = "d", editable = true }', "editable"),
            (f'archive = {{ url = "https://files.example/a.zip", {HASHES} }}', "archive"),
        ],
    )
    def test_what_has_no_index_is_told_apart(self, entry, kind):
        selection = select(pylock(f'[[packages]]\nname = "g"\n{entry}\n'), tags(), environment())

        assert [(one.name, one.version, one.source.kind, one.line) for one in selection.direct] == [("g", "", kind, 3)]

    def test_the_name_counts_over_the_url(self):
        wheel = f'{{ name = "one-1.0-py3-none-any.whl", url = "https://files.example/x", {self.HASHES} }}'
        (chosen,) = all_files(pylock(f'[[packages]]\nname = "one"\nversion = "1.0"\nwheels = [{wheel}]\n'))

        assert chosen.file.filename == "one-1.0-py3-none-any.whl"

    @pytest.mark.parametrize(
        ("text", "what", "where"),
        [
            ("packages = 3", "`packages` is not", "pylock.toml"),
            ("", "packages", "pylock.toml"),
            ('[[packages]]\nname = "One"\n', "not normalized", "pylock.toml:3"),
            (
                '[[packages]]\nname = "one"\nwheels = [{ url = "https://f.example/one-1-py3-none-any.whl" }]',
                "hashes",
                "pylock.toml:3",
            ),
        ],
    )
    def test_what_cannot_be_read(self, text, what, where):
        with pytest.raises(LockError) as caught:
            pylock(text)

        assert what in caught.value.what
        assert caught.value.where == where

    @pytest.mark.parametrize("version", ["0.9", "1.1", "2.0"])
    def test_other_versions(self, version):
        with pytest.raises(LockError, match=f'lock-version "{version}"'):
            parse_lock(f'lock-version = "{version}"\n', Path("pylock.toml"), "pylock")

    def test_a_malformed_hash(self):
        with pytest.raises(LockContentError, match="not a sha256"):
            pylock(f'[[packages]]\nname = "one"\nversion = "1.0"\nwheels = [{self.WHEEL.replace(A, "xyz")}]\n')

    def test_two_entries_for_one_target(self):
        entry = f'[[packages]]\nname = "one"\nversion = "1.0"\nwheels = [{self.WHEEL}]\n'
        with pytest.raises(LockError, match=r"a second entry of one for this target, the first is pylock.toml:3"):
            select(pylock(entry + entry), tags(), environment())

    def test_another_python(self):
        entry = f'[[packages]]\nname = "one"\nversion = "1.0"\nrequires-python = ">=4"\nwheels = [{self.WHEEL}]\n'
        with pytest.raises(LockError, match="one is for Python >=4"):
            select(pylock(entry), tags(), environment())


class TestReading:
    def test_kinds(self):
        known = {"uv.lock": "uv", "job.py.lock": "uv", "pylock.toml": "pylock", "pylock.ci.toml": "pylock"}

        assert {name: kind_of(Path(name)) for name in known} == known
        assert kind_of(Path("requirements.txt")) is None

    def test_the_pyproject_beside(self, tmp_path):
        (tmp_path / "uv.lock").write_text("version = 1\n", encoding="utf-8")
        (tmp_path / "pyproject.toml").write_text('[tool.uv]\ndefault-groups = ["A_b"]\n', encoding="utf-8")

        assert read_lock(tmp_path / "uv.lock").default_groups == ("a-b",)

    @pytest.mark.parametrize(
        ("pyproject", "own", "digest"),
        [
            ("no-binary = true", None, B),
            ('no-binary-package = ["One"]', None, B),
            ('no-binary-package = ["two"]', None, A),
            ("no-binary = true", "no-binary = false", A),
            ("", 'no-binary-package = ["one"]', B),
        ],
    )
    def test_what_uv_is_told_to_build(self, tmp_path, pyproject, own, digest):
        (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "app"\n[tool.uv]\n{pyproject}\n')
        if own is not None:
            (tmp_path / "uv.toml").write_text(own)
        sdist = f'sdist = {{ url = "https://files.example/one-1.0.tar.gz", hash = "sha256:{B}" }}\n'
        text = "version = 1\n" + project('{ name = "one" }') + package("one", more=sdist)
        (tmp_path / "uv.lock").write_text(text)
        lock = with_config(read_lock(tmp_path / "uv.lock"), os.environ)
        (chosen,) = select(lock, tags(), environment()).files
        assert chosen.file.sha256 == digest

    @pytest.mark.parametrize(
        ("name", "config", "digests"),
        [
            ("pyproject.toml", '[tool.uv]\nno-binary-package = ["One"]', {A, B}),
            ("pyproject.toml", '[tool.uv.pip]\nno-binary = ["One"]', {A, B}),
            ("pyproject.toml", '[tool.uv.pip]\nno-binary = ["two"]', {A}),
            ("uv.toml", '[pip]\nno-binary = ":all:"', {A, B}),
        ],
    )
    def test_what_uv_pip_is_told_to_build(self, tmp_path, name, config, digests):
        """Pip goes on with the wheel."""
        (tmp_path / name).write_text(config)
        url = "https://files.example/one-1.0"
        files = [f'url = "{url}{end}", hashes = {{ sha256 = "{one}" }}' for end, one in ((WHEEL, A), (".tar.gz", B))]
        entry = f'name = "one"\nversion = "1.0"\nwheels = [{{ {files[0]} }}]\nsdist = {{ {files[1]} }}\n'
        (tmp_path / "pylock.toml").write_text(f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\n{entry}')
        lock = with_config(read_lock(tmp_path / "pylock.toml"), os.environ)
        found = select(lock, tags(), environment()).files
        assert {chosen.file.sha256 for chosen in found} == digests

    def test_all_groups_as_the_default_of_a_package(self, tmp_path):
        """As uv writes it in a lock for `default-groups = "all"`."""
        text = (
            'version = 1\nrevision = 5\nrequires-python = ">=3.10"\n\n'
            '[[package]]\nname = "mine"\nversion = "1.0"\nsource = { virtual = "." }\ndefault-groups = "all"\n\n'
            '[package.dev-dependencies]\nx = [\n    { name = "a" },\n]\n\n'
            '[[package]]\nname = "a"\nversion = "1.0"\nsource = { registry = "https://index.test/simple" }\n'
            f'wheels = [\n    {{ url = "https://index.test/a-1.0-py3-none-any.whl", hash = "sha256:{"0" * 64}" }},\n]\n'
        )
        (tmp_path / "uv.lock").write_text(text, encoding="utf-8")

        assert names(select(read_lock(tmp_path / "uv.lock"), tags(), environment())) == {"a 1.0"}

    def test_a_broken_pyproject_is_configuration(self, tmp_path):
        (tmp_path / "uv.lock").write_text("version = 1\n", encoding="utf-8")
        (tmp_path / "pyproject.toml").write_text("[tool.uv]\ndefault-groups = 3\n", encoding="utf-8")

        with pytest.raises(ConfigError) as caught:
            read_lock(tmp_path / "uv.lock")
        assert caught.value.where == "pyproject.toml"

    def test_files_that_cannot_be_read(self, tmp_path):
        (tmp_path / "pylock.toml").write_bytes(b"\xff")

        for path, what in (
            (tmp_path / "uv.lock", "cannot read it"),
            (tmp_path / "pylock.toml", "not UTF-8"),
            (tmp_path / "poetry.lock", "not the name of a lock file"),
        ):
            with pytest.raises(LockError, match=what):
                read_lock(path)


@pytest.mark.parametrize("field", ["url", "registry"])
def test_a_url_that_is_none_is_a_fault_of_the_lock(field):
    registry, url = (
        ("https://index.example/simple", "http://[") if field == "url" else ("http://[", "a-1-py3-none-any.whl")
    )
    text = (
        'version = 1\nrequires-python = ">=3.10"\n[[package]]\nname = "a"\nversion = "1"\n'
        f'source = {{ registry = "{registry}" }}\n'
        f'wheels = [{{ url = "{url}", hash = "sha256:{"ab" * 32}" }}]\n'
    )
    with pytest.raises(InstallError) as caught:
        parse_lock(text, Path("/somewhere/uv.lock"), "uv")
    assert caught.value.exit_code in (64, 65)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "uv.lock")
    with pytest.raises(LockError, match="no ordinary file"):
        read_lock(tmp_path / "uv.lock")
