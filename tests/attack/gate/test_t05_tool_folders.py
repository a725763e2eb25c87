"""T04, T05, T60: a tool from a folder is no way for anything else to be installed, or to run."""

import re

import pytest

from tests.attack.gate.test_t05_uv_folders import DYNAMIC, plain
from tests.e2e.test_uv_tool_folders import FILES
from tests.support.attacks import evil_sdist
from tests.support.folders import folder, sources
from tests.support.stage import NO, WARN, YES
from tests.support.wheels import make_sdist

INSTALL, UPGRADE = ("tool", "install"), ("tool", "upgrade")
LOCAL = WARN + 'local-projects = ["."]\n'
FORMS = {
    "word": ["./my-tool"],
    "from": ["my-tool", "--from", "./my-tool"],
    "editable": ["-e", "my-tool"],
    "with": ["good", "--with", "./my-tool"],
    "with-editable": ["good", "--with-editable", "./my-tool"],
    "file": ["good", "--with-requirements", "r.txt"],
}
FORM = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def stage(stage):
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    (stage.project / ".git").mkdir()
    stage.wheel("good", "1.0", YES, entry_points={"good": "good:NAME.upper"})
    (stage.project / "r.txt").write_text("./my-tool\n")
    stage.policy(LOCAL)
    return stage


def evil(stage):
    path = evil_sdist(stage)
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker, more_pyproject=DYNAMIC))
    stage.sdist("evil", "1.0", NO)
    return path


def refused(stage, words, *codes):
    """With the gate no code runs and no command appears; without it the code of a stranger runs."""
    commands = stage.folder / "UV_TOOL_BIN_DIR"
    before = sorted(commands.iterdir()) if commands.exists() else []
    ended = stage.run("openvet-uv", *words)
    assert ended.code in codes, (ended.code, ended.err)
    assert "Traceback" not in ended.err
    assert not stage.marker.exists() or "evil" not in stage.marker.read_text()
    assert (sorted(commands.iterdir()) if commands.exists() else []) == before
    assert stage.leftovers == []
    said = plain(stage, list(words))
    assert "evil" in stage.marker.read_text(), said


@FORM
@pytest.mark.parametrize("way", ["build", "requires", "address", "archive", "extra"])
def test_what_a_folder_asks_for_is_judged(stage, form, way):
    path = evil(stage)
    uri = f"evil @ {path.as_uri()}"
    options = {
        "build": {"build": ["evil"]},
        "requires": {"requires": ["evil"]},
        "address": {"requires": [uri]},
        "archive": {"requires": ["evil"], "more": sources("evil", f'path = "{path}"')},
        "extra": {"requires": ["my-tool[x]"], "more": f'[project.optional-dependencies]\nx = ["{uri}"]\n'},
    }[way]
    folder(stage, "my-tool", files=FILES, **options)
    refused(stage, (*INSTALL, *FORMS[form]), 64, 77)


@FORM
def test_a_folder_that_no_policy_allows(stage, form):
    folder(stage, "../evil", files=FILES)
    (stage.project / "r.txt").write_text("../evil\n")
    words = [one.replace("./my-tool", "../evil").replace("my-tool", "evil") for one in FORMS[form]]
    words = ["-e", "../evil"] if form == "editable" else words
    refused(stage, (*INSTALL, *words), 64)


def test_an_archive_is_no_folder(stage):
    path = evil(stage)
    stage.policy()
    for words in (
        [str(path)], ["evil", "--from", str(path)], ["good", "--with", str(path)], ["good", "--with", f"evil @ {path}"],
        ["good", "--from", path.as_uri()],
    ):  # fmt: skip
        ended = stage.run("openvet-uv", *INSTALL, *words)
        assert ended.code in (64, 77), (words, ended.err)
    assert stage.run("openvet-uv", *INSTALL, "-e", str(path)).code == 64
    assert not stage.marker.exists()
    assert not (stage.folder / "UV_TOOL_DIR" / "evil").exists()


@pytest.mark.parametrize("key", ["directory", "editable"])
@pytest.mark.parametrize("way", ["outside", "relative", "build", "requires", "both", "more"])
def test_folders_in_receipts(stage, key, way):
    """Whoever can write a receipt can name any folder: it is judged as if it were typed."""
    evil(stage)
    outside = folder(stage, "../evil", files=FILES)
    inside = folder(stage, "my-tool", files=FILES)
    ended = stage.run("openvet-uv", *INSTALL, "./my-tool")
    assert ended.code == 0, ended.err
    stage.marker.unlink()
    receipt = stage.folder / "UV_TOOL_DIR" / "my-tool" / "uv-receipt.toml"
    entry = {
        "outside": f'{{ name = "evil", {key} = "{outside}" }}',
        "relative": f'{{ name = "evil", {key} = "../evil" }}',
        "both": f'{{ name = "evil", {key} = "{inside}", path = "{outside}" }}',
        "more": f'{{ name = "evil", {key} = "{inside}", subdirectory = "../../evil" }}',
    }.get(way, f'{{ name = "my-tool", {key} = "{inside}" }}')
    receipt.write_text(re.sub(r"(?m)^requirements = .*$", f"requirements = [{entry}]", receipt.read_text()))
    if way in ("build", "requires"):
        folder(stage, "my-tool", files=FILES, **{way: ["evil"]})
    before = receipt.read_text()
    for words in (["my-tool"], ["--all"]):
        ended = stage.run("openvet-uv", *UPGRADE, *words)
        assert ended.code in (64, 77), ended.err
        assert not stage.marker.exists() or "evil" not in stage.marker.read_text()
    assert receipt.read_text() == before
    if way in ("outside", "build", "requires"):
        plain(stage, [*UPGRADE, "my-tool"])
        assert "evil" in stage.marker.read_text()


def test_a_version_that_is_a_path_to_uv(stage):
    version = "9" * 20
    place = folder(stage, version, build=[])
    place.rename(stage.folder / version)
    evil = stage.folder / version / "pyproject.toml"
    evil.write_text(evil.read_text().replace(version, "good"))
    backend = stage.folder / version / "local_backend.py"
    backend.write_text(f"{backend.read_text()}\nopen({str(stage.marker)!r}, 'a').write('evil')\n")
    (stage.project / version).symlink_to(stage.folder / version)
    refused(stage, [*INSTALL, f"good@{version}"], 2)


def test_a_receipt_that_names_a_folder_as_index(stage):
    assert stage.run("openvet-uv", *INSTALL, "good").code == 0
    place, name = stage.folder / "simple/good", "good-2.0.tar.gz"
    place.mkdir(parents=True)
    evil = f"import os\nopen({str(stage.marker)!r}, 'a').write('evil')\n"
    (place / name).write_bytes(make_sdist("good", "2.0", marker=stage.marker, files={"good.py": evil}))
    (place / "index.html").write_text(f'<!DOCTYPE html><html><body><a href="{name}">{name}</a></body></html>')
    receipt = stage.folder / "UV_TOOL_DIR/good/uv-receipt.toml"
    index = f'name = "good", index = "{place.parent.as_uri()}"'
    receipt.write_text(receipt.read_text().replace('name = "good"', index, 1))
    ended = stage.run("openvet-uv", *UPGRADE, "good")
    assert ended.code == 64, ended.err
    assert not stage.marker.exists()
    plain(stage, [*UPGRADE, "good"])
    assert stage.marker.exists()
