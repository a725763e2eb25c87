"""T84: what is built of an approved sdist is that sdist, not a folder that an address of it names."""

import io
import json
import tarfile

import pytest

from openvet_install.gateway.addresses import AddressError, canonical_url, join
from openvet_install.gateway.pages import JSON_TYPE
from tests.support.attacks import PIP, backend, everything, plain, stopped
from tests.support.indexsim import Reply
from tests.support.stage import YES
from tests.support.wheels import make_sdist


def evil_folder(stage):
    """A folder of the project's author, whose backend would write the marker."""
    with tarfile.open(fileobj=io.BytesIO(make_sdist("good", "1.0", marker=stage.marker))) as archive:
        archive.extractall(stage.folder, filter="data")
    return stage.folder / "good-1.0"


def words_of(stage, form, digest):
    """The command's words; each names the same approved file."""
    folder = evil_folder(stage)
    (entry,) = stage.index.entries.values()
    url = stage.index.file_url(entry.filename)
    steered = f"{url}?a=b&subdirectory={folder}"
    if form == "typed":
        return [f"good @ {steered}"]
    if form.startswith("links"):  # pip takes what it was given for a file as well as for a page
        end = f"#subdirectory={folder}" if form == "links" else f"?a=b&subdirectory={folder}"
        (stage.project / "r.txt").write_text(f"--no-index\n--find-links {url}{end}\ngood\n")
        return ["-r", "r.txt"]
    if form == "file":
        (stage.project / "r.txt").write_text(f"{steered}\n")
        return ["-r", "r.txt"]
    if form == "page":
        file = {"filename": entry.filename, "url": steered, "hashes": {"sha256": digest}}
        body = json.dumps({"meta": {"api-version": "1.0"}, "name": "good", "files": [file]}).encode()
        page = Reply(200, {"Content-Type": JSON_TYPE}, body)
        stage.index.lies.at_request = lambda _number, asked: page if asked.startswith("/simple/good") else None
        return ["good"]
    (stage.project / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "good"\nversion = "1.0"\n'
        f'index = "{stage.index.simple_url}"\n'
        f'sdist = {{ name = "{entry.filename}", url = "{url}#subdirectory={folder}", hashes.sha256 = "{digest}" }}\n'
    )
    return ["-r", "pylock.toml"]


@pytest.mark.parametrize(
    ("form", "code"), [("typed", 64), ("file", 64), ("links", 64), ("links?", 64), ("page", 1), ("pylock", 65)]
)
def test_no_address_names_a_folder_to_build(stage, form, code):
    digest = stage.sdist("good", "1.0", YES, backend=backend(stage, "good", "1.0", "pass"))
    words = words_of(stage, form, digest)
    stage.policy()
    before = everything(stage)
    stopped(stage, stage.run(*PIP, *words), code, before=before)


def test_plain_pip_builds_it(stage):
    digest = stage.sdist("good", "1.0", YES, backend=backend(stage, "good", "1.0", "pass"))
    assert plain(stage, PIP, *words_of(stage, "page", digest)) == 0
    assert stage.marker.exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://h.test/g-1.tar.gz?a&subdirectory=x",
        "https://h.test/g-1.tar.gz?&subdirectory=/d",
        "https://h.test/&subdirectory=/d/g-1.tar.gz",
        "https://h.test/&%73ubdirectory=/d/g-1.tar.gz",
    ],
)
def test_no_page_lists_such_an_address(url):
    for read in (canonical_url, lambda one: join("https://h.test/simple/g/", one)):
        with pytest.raises(AddressError):
            read(url)


@pytest.mark.parametrize("url", ["https://h.test/g-1.tar.gz?subdirectory=x", "https://h.test/a&b/g-1.tar.gz?x=1&y=2"])
def test_other_addresses_stay(url):
    assert canonical_url(url) == url
