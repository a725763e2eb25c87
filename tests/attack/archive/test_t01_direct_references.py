"""T01: no archive may bring in files of its own choice, whatever reads it first."""

from __future__ import annotations

import pytest

from tests.support.opening import SDIST, WHEEL, opened, refused
from tests.support.wheels import core_metadata, make_sdist, make_wheel

REFERENCES = [
    "evil @ file:///d/evil-1.0.tar.gz",
    "evil@file:///d/evil-1.0.tar.gz",
    "evil[all] @ file:///d/evil ; python_version < '2'",
    "evil @ git+ssh://git@host.test/evil",
    "evil @ git+file:///d/evil",
    "evil @ https://host.test/evil-1.0.tar.gz",
    "evil @ https://host.test/evil-1.0.tar.gz ; extra == 'never'",
    "evil @ ./evil",
    "evil @ /d/evil",
    "evil (1.0) @ file:///d/evil",
]


@pytest.mark.parametrize("line", REFERENCES)
def test_a_wheel_that_requires_a_url(tmp_path, line):
    refused(tmp_path, make_wheel("x", "1.0", requires=["fine>=1", line]), WHEEL, "asks for a file outside the index")


def test_a_folded_line_of_a_wheel(tmp_path):
    metadata = "Metadata-Version: 2.1\nName: x\nVersion: 1.0\nRequires-Dist: evil\n  @ file:///d/evil\n\n"
    refused(tmp_path, make_wheel("x", "1.0", metadata=metadata), WHEEL, "asks for a file outside the index")


def test_field_names_in_other_letters(tmp_path):
    metadata = core_metadata("x", "1.0").replace("\n\n", "\nREQUIRES-dist: evil @ file:///d/evil\n\n", 1)
    refused(tmp_path, make_wheel("x", "1.0", metadata=metadata), WHEEL, "asks for a file outside the index")


@pytest.mark.parametrize("line", REFERENCES)
def test_an_sdist_that_is_built_with_a_url(tmp_path, line):
    refused(tmp_path, make_sdist("x", "1.0", build_requires=[line]), SDIST, "`build-system.requires`")


@pytest.mark.parametrize("line", REFERENCES)
def test_an_sdist_whose_static_metadata_has_a_url(tmp_path, line):
    refused(tmp_path, make_sdist("x", "1.0", requires=[line]), SDIST, "`Requires-Dist`")
    project = f"dependencies = [{line!r}]\n" if '"' not in line else ""
    refused(tmp_path, make_sdist("x", "1.0", more_pyproject=project), SDIST, "`project` in `pyproject.toml`")
    extra = f"[project.optional-dependencies]\nx = [{line!r}]\n"
    refused(tmp_path, make_sdist("x", "1.0", more_pyproject=extra), SDIST, "`project` in `pyproject.toml`")


def test_an_old_requires_txt(tmp_path):
    content = make_sdist("x", "1.0", files={"src/x.egg-info/requires.txt": "fine\n\n[e]\nevil @ file:///d/e\n"})
    refused(tmp_path, content, SDIST, "requires.txt")
    fine = make_sdist("x", "1.0", files={"src/x.egg-info/requires.txt": "fine\n\n[e:python_version<'4']\nother\n"})
    opened(tmp_path, fine, SDIST)


@pytest.mark.parametrize(
    "source",
    [
        '{ path = "/d/evil" }',
        '{ path = "../evil" }',
        '{ url = "file:///d/evil-1.0.tar.gz" }',
        '{ git = "file:///d/evil" }',
        '{ git = "ssh://git@host.test/evil" }',
        '[{ path = "/d/evil", marker = "python_version > \'3\'" }]',
        '[{ index = "fine" }, { path = "/d/evil" }]',
        "{ }",
    ],
)
def test_uv_sources_that_are_local(tmp_path, source):
    more = f"[tool.uv.sources]\nevil = {source}\n"
    refused(tmp_path, make_sdist("x", "1.0", more_pyproject=more), SDIST, "`tool.uv.sources`")


@pytest.mark.parametrize(
    "source", ["{ workspace = true }", '{ git = "https://host.test/e" }', '{ index = "i" }', '{ path = "inner" }']
)
def test_any_uv_source_of_a_build_requirement(tmp_path, source):
    more = f"[tool.uv.sources]\nE_vil = {source}\n"
    content = make_sdist("x", "1.0", build_requires=["e-vil>=1"], more_pyproject=more)
    refused(tmp_path, content, SDIST, "`tool.uv.sources`")


@pytest.mark.parametrize(
    "more",
    [
        '[[tool.uv.index]]\nurl = "./w"\nformat = "flat"\n',
        '[[tool.uv.index]]\nurl = "https://host.test/simple"\n',
        '[[tool.uv.index]]\nname = "i"\nurl = "file:///d"\nexplicit = true\n',
        '[tool.uv]\nfind-links = ["/d"]\n',
        '[tool.uv]\nindex-url = "https://host.test/simple"\n',
        '[tool.uv]\nextra-index-url = ["https://host.test/simple"]\n',
        '[tool.uv.pip]\nfind-links = ["/d"]\n',
        '[tool.uv]\noverride-dependencies = ["fine @ file:///d/evil"]\n',
        '[tool.uv]\nbuild-constraint-dependencies = ["fine @ file:///d/evil"]\n',
        '[tool.uv.extra-build-dependencies]\nx = ["evil @ file:///d/evil"]\n',
        '[tool.uv.workspace]\nmembers = ["../evil"]\n',
        '[tool.uv.workspace]\nmembers = ["/d/*"]\n',
    ],
)
def test_uv_keys_that_lead_elsewhere(tmp_path, more):
    refused(tmp_path, make_sdist("x", "1.0", more_pyproject=more), SDIST, "`tool.uv")


def test_a_uv_toml_of_its_own(tmp_path):
    content = make_sdist("x", "1.0", files={"uv.toml": 'find-links = ["/d"]\n'})
    refused(tmp_path, content, SDIST, "`uv.toml.find-links`")


@pytest.mark.parametrize("folder", ["..", "/d", "a/../..", "~", "c:x", "..\\d"])
def test_a_backend_from_outside(tmp_path, folder):
    pyproject = f"[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = ['{folder}']\n"
    refused(tmp_path, make_sdist("x", "1.0", pyproject=pyproject), SDIST, "leaves the sdist")


def test_a_pyproject_that_is_a_link(tmp_path):
    import tarfile

    from tests.support.wheels import make_tar

    link = tarfile.TarInfo("x-1.0/pyproject.toml")
    link.type, link.linkname = tarfile.SYMTYPE, "other.toml"
    members = [("x-1.0/PKG-INFO", core_metadata("x", "1.0").encode()), ("x-1.0/other.toml", b""), (link, b"")]
    refused(tmp_path, make_tar(members), SDIST, "`x-1.0/pyproject.toml` is a link")


def test_what_real_projects_write_is_taken(tmp_path):
    more = (
        'dependencies = ["fine", "mail; extra == \'a@b\'"]\n'
        "[dependency-groups]\ndev = ['tool @ https://host.test/tool.whl']\n"
        '[tool.uv]\ndefault-groups = ["dev"]\nexclude-newer = "7 days"\n'
        '[tool.uv.workspace]\nmembers = ["core", "crates/*"]\n'
        '[tool.uv.sources]\ncore = { workspace = true }\ndocs = { git = "https://host.test/docs", rev = "1" }\n'
        'gpu = [{ index = "gpu" }]\ninner = { path = "inner", editable = true }\n'
        '[[tool.uv.index]]\nname = "gpu"\nurl = "https://host.test/gpu"\nexplicit = true\n'
    )
    contents = opened(tmp_path, make_sdist("x", "1.0", build_requires=["setuptools>=61"], more_pyproject=more), SDIST)
    assert contents.build_requires == ("setuptools>=61",)


def test_old_requirement_lines_without_a_url_pass(tmp_path):
    contents = opened(tmp_path, make_wheel("x", "1.0", requires=["old (>=1.0.*)", "other (>=2)"]), WHEEL)
    assert contents.requires == ("old (>=1.0.*)", "other (>=2)")


@pytest.mark.parametrize(
    "word", ["=?utf-8?q?evil_=40_file:///d/evil?=", "=?utf-8?b?ZXZpbCBAIGZpbGU6Ly8vZC9ldmls?=", "a =?x"]
)
def test_a_word_that_uv_decodes(tmp_path, word):
    refused(tmp_path, make_wheel("x", "1.0", requires=[word]), WHEEL, "encoded word")
    refused(tmp_path, make_sdist("x", "1.0", requires=[word]), SDIST, "encoded word")
