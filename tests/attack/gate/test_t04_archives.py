"""T04: archives and folders on this machine, and archives by URL, are judged like downloads; the tool gets copies."""

import hashlib
import json

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, evil_sdist, fetching, plain, site, stopped
from tests.support.indexsim import Reply
from tests.support.stage import NO, WARN, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

ANY = "py3-none-any"


def local(stage, name, version, claims=None, *, folder="d", sdist=False, **options):
    """An archive on disk, audited if there are claims."""
    raw = make_sdist(name, version, marker=stage.marker) if sdist else make_wheel(name, version, tag=ANY, **options)
    path = stage.folder / folder / (sdist_name(name, version) if sdist else wheel_name(name, version, ANY))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw)
    stage._audit(name, version, "sdist" if sdist else ANY, raw, claims)
    return path


def forms(path):
    name = path.name.split("-")[0]
    return {
        "path": [str(path)],
        "relative": [f"../{path.parent.name}/{path.name}"],
        "url": [path.as_uri()],
        "named": [f"{name} @ {path.as_uri()}"],
        "links": ["-f", str(path.parent), name],
        "wheelhouse": ["--no-index", "--find-links", path.parent.as_uri(), name],
    }


FORMS = ["path", "relative", "url", "named", "links", "wheelhouse"]


def test_plain_tools_take_them_all(stage):
    path = evil_sdist(stage)
    for tool in (PIP, UV):
        assert plain(stage, tool, "--force-reinstall", str(path)) == 0
    assert stage.marker.exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sdist", [False, True], ids=["wheel", "sdist"])
@BOTH
def test_an_unapproved_archive_is_blocked(stage, tool, form, sdist):
    path = local(stage, "evil", "1.0", sdist=sdist)
    stage.policy()
    before = everything(stage)
    ended = stage.run(*tool, *forms(path)[form])
    stopped(stage, ended, 77, before=before)
    assert "pypi:evil@1.0" in ended.err
    assert "unaudited" in ended.err


@pytest.mark.parametrize("form", ["path", "wheelhouse"])
@BOTH
def test_a_no_is_a_no_in_warn_mode(stage, tool, form):
    path = local(stage, "evil", "1.0", NO)
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, *forms(path)[form]), 77, before=before)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sdist", [False, True], ids=["wheel", "sdist"])
@BOTH
def test_an_approved_archive_is_installed(stage, tool, form, sdist):
    path = local(stage, "good", "1.0", YES, sdist=sdist)
    stage.policy()
    ended = stage.run(*tool, *forms(path)[form])
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert [one["filename"] for one in ended.report["files"]] == [path.name]
    assert stage.leftovers == []
    written = site(stage) / "good-1.0.dist-info/direct_url.json"
    assert written.exists() == (form not in ("links", "wheelhouse"))
    if written.exists():
        assert json.loads(written.read_text())["url"] == path.as_uri()
        again = stage.run("openvet-pip", "freeze")
        assert again.out.strip().startswith(f"good @ {path.as_uri()}")
    assert stage.run("openvet-pip", "check").code == 0


@BOTH
def test_an_address_is_written_as_the_tool_would(stage, tool):
    path = local(stage, "good", "1.0+cpu", YES, folder="a+b (c)@d[e]~f,g=h&i'j!k%l^m|n{o}$p*é")
    stage.policy()
    written = []
    for run in (lambda: plain(stage, tool, str(path)), lambda: stage.run(*tool, "--force-reinstall", str(path)).code):
        assert run() == 0
        (place,) = site(stage).glob("good-*.dist-info")
        written.append(json.loads((place / "direct_url.json").read_text())["url"])
    assert written[0] == written[1]


@BOTH
def test_a_file_may_name_archives_and_folders(stage, tool):
    path = local(stage, "good", "1.0", YES)
    local(stage, "other", "1.0", YES, folder="links")
    local(stage, "other", "2.0", folder="links")
    stage.policy()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (stage.project / "r.txt").write_text(
        f"--no-index\n-f ../links\n{path} ; python_version > '3'\nother\n"
        f"{path.as_uri()}#sha256={digest} ; python_version < '3'\n"
    )
    ended = stage.run(*tool, "-r", "r.txt")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "other": "1.0"}
    assert "held back: other" in ended.err
    assert stage.index.requests == []


@BOTH
def test_a_wrong_hash_is_told(stage, tool):
    path = local(stage, "good", "1.0", YES)
    stage.policy()
    before = everything(stage)
    ended = stage.run(*tool, f"good @ {path.as_uri()}#sha256={'a' * 64}")
    stopped(stage, ended, 65, before=before)
    assert "hash-mismatch" in ended.err


@pytest.mark.parametrize("form", ["path", "wheelhouse"])
@BOTH
def test_an_archive_that_is_swapped_after_our_reading(stage, tool, form):
    path = local(stage, "good", "1.0", YES)
    stage.wheel("helper", "1.0", YES)
    raw = make_wheel("good", "1.0", tag=ANY, requires=["helper"])
    path.write_bytes(raw)
    stage._audit("good", "1.0", ANY, raw, YES)
    stage.policy()
    evil = make_wheel("good", "1.0", tag=ANY, files={"good.py": "evil = 1\n"})
    swapped = []

    def swap(_number, asked):
        if "/helper/" in asked and not swapped:
            swapped.append(path.write_bytes(evil))

    stage.index.lies.at_request = swap
    words = [word for word in forms(path)[form] if word != "--no-index"]
    ended = stage.run(*tool, *words)
    assert ended.code == 0, ended.err
    assert swapped
    assert stage.installed == {"good": "1.0", "helper": "1.0"}
    assert "evil" not in "".join(one.read_text() for one in site(stage).glob("good*.py"))


@BOTH
def test_an_ambiguous_archive_is_broken(stage, tool):
    path = local(stage, "good", "1.0", requires=["evil @ file:///d/evil-1.0.tar.gz"])
    stage._audit("good", "1.0", ANY, path.read_bytes(), YES)
    stage.policy(WARN)
    before = everything(stage)
    ended = stage.run(*tool, str(path))
    stopped(stage, ended, 65, before=before)
    assert "archive-invalid" in ended.err


def test_a_page_inside_a_folder_is_not_read(stage):
    path = evil_sdist(stage, stage.folder / "elsewhere")
    local(stage, "good", "1.0", YES)
    (stage.folder / "d/index.html").write_text(f'<a href="{path.as_uri()}">{path.name}</a>')
    assert plain(stage, PIP, "--no-index", "-f", "../d", "evil") == 0
    assert stage.marker.exists()
    stage.marker.unlink()
    stage.policy(WARN)
    assert stage.run("openvet-pip", "uninstall", "-y", "evil").code == 0
    before = everything(stage)
    ended = stage.run(*PIP, "--no-index", "-f", "../d", "evil")
    assert ended.code == 1
    stopped(stage, ended, 1, before=before)


@BOTH
def test_a_page_of_links_is_reduced(stage, tool):
    for version, claims in (("1.0", YES), ("2.0", None)):
        stage.wheel("good", version, claims)
    stage.policy()
    origin = stage.index.simple_url.partition("/simple")[0]
    entries = list(stage.index.entries.values())
    rows = "".join(f'<a href="{stage.index.file_url(entry.filename)}">{entry.filename}</a>' for entry in entries)
    page = Reply(headers={"Content-Type": "text/html"}, body=rows.encode())
    stage.index.lies.at_request = lambda _number, asked: page if asked == "/links.html" else None
    ended = stage.run(*tool, "--no-index", "-f", f"{origin}/links.html", "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}


@pytest.mark.parametrize("claims", [YES, None], ids=["approved", "silent"])
@BOTH
def test_an_archive_by_url_is_judged_by_its_bytes(stage, tool, claims):
    stage.wheel("good", "1.0", claims)
    stage.policy()
    before = everything(stage)
    (entry,) = stage.index.entries.values()
    url = stage.index.file_url(entry.filename)
    ended = stage.run(*tool, "--no-index", f"good @ {url}")
    if claims is None:
        stopped(stage, ended, 77, before=before)
        return
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert json.loads((site(stage) / "good-1.0.dist-info/direct_url.json").read_text())["url"] == url


def test_the_host_of_a_named_archive_is_asked_for_nothing_else(stage):
    stage.wheel("good", "1.0", YES)
    (entry,) = stage.index.entries.values()
    url = stage.index.file_url(entry.filename)
    other = url.rpartition("/")[0] + "/secret-1.0.tar.gz"
    code = backend(stage, "source", "1.0", "try:\n    exec(" + repr(fetching(other)) + ")\nexcept Exception:\n    pass")
    raw = make_sdist("source", "1.0", backend=code)
    path = stage.folder / sdist_name("source", "1.0")
    path.write_bytes(raw)
    stage._audit("source", "1.0", "sdist", raw, YES)
    stage.policy()
    ended = stage.run(*PIP, "--no-index", f"good @ {url}", str(path))
    assert ended.code == 0, ended.err
    assert not [one.path for one in stage.index.requests if "secret" in one.path]


def test_what_a_build_brings_in_from_a_folder_is_found_beside_a_typed_archive(stage):
    path = evil_sdist(stage)
    good = local(stage, "good", "1.0", YES)
    stage.sdist("source", "1.0", YES, wheel_requires=[f"evil @ {path.as_uri()}"])
    stage.policy()
    ended = stage.run(*PIP, str(good), "source")
    assert ended.code == 65, ended.err
    assert "`evil` 1.0" in ended.err
