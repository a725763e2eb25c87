"""Pages of indexes that runs keep for each other, as long as the index says: judged anew, and only as they came."""

import hashlib
import json
import time

import pytest

from openvet_install.errors import EXIT_BLOCKED
from openvet_install.gateway.pages import read_listing
from openvet_install.openvet.subject import PYPI, Subject, TaggedHash
from tests.support.indexsim import Reply
from tests.support.stage import NO, YES, make_environment
from tests.support.wheels import make_wheel

UV = ("openvet-uv", "pip", "install", "-q")


@pytest.fixture
def two(stage):
    """A release that is installed, an older one, and one that the index lists and nobody has approved yet."""
    stage.wheel("demo", "0.1", YES)
    stage.wheel("demo", "1.0", YES)
    later = stage.wheel("demo", "2.0")
    stage.policy()
    return stage, later


def page_requests(stage):
    return sum(one.path.startswith("/simple/demo") for one in stage.index.requests)


def again(stage, *argv, **more):
    """Run in a new environment; return what was installed, and how often the index was asked for the page."""
    stage.environment = stage.folder / f"environment-{time.time_ns()}"
    make_environment(stage.environment)
    stage.variables["VIRTUAL_ENV"] = str(stage.environment)
    before = page_requests(stage)
    ended = stage.run(*argv, **more)
    return ended, stage.installed.get("demo"), page_requests(stage) - before


def test_a_page_is_asked_for_once_while_nothing_changes(two):
    stage, later = two
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)
    assert again(stage, *UV, "demo")[1:] == ("1.0", 0)
    ended, installed, asked = again(stage, *UV, "demo==2.0")
    assert (ended.code, installed, asked) == (EXIT_BLOCKED, None, 0)
    stage.log.publish("demo", "2.0", variant="py3-none-any", sha256=later, claims=YES)
    stage.policy()
    assert again(stage, *UV, "demo")[1:] == ("2.0", 1)
    assert again(stage, *UV, "demo")[1:] == ("2.0", 0)
    subject = Subject(PYPI, "demo", "2.0", "py3-none-any", TaggedHash("sha256", bytes.fromhex(later)))
    stage.log.update(subject, claims=NO)
    stage.policy()
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)
    assert again(stage, "openvet-pip", "install", "-q", "demo")[1:] == ("1.0", 1)


@pytest.mark.parametrize(
    ("more", "env", "configured"),
    [
        (("-U",), {}, ""),
        (("--refresh",), {}, ""),
        (("--refresh-package", "demo"), {}, ""),
        (("--reinstall",), {}, ""),
        (("--no-cache",), {}, ""),
        ((), {"UV_NO_CACHE": "1"}, ""),
        ((), {}, "[pip]\nupgrade = true\n"),
        ((), {}, "no-cache = true\n"),
    ],
)
def test_who_wants_what_the_index_says_now_gets_it(two, more, env, configured):
    stage, _later = two
    stage.log.publish("demo", "3.0", variant="py3-none-any", sha256=sha256_of("3.0"), claims=YES)
    stage.policy()
    again(stage, *UV, "demo")
    stage.wheel("demo", "3.0")
    assert again(stage, *UV, "demo")[1:] == ("1.0", 0)
    (stage.project / "uv.toml").write_text(configured)
    assert again(stage, *UV, *more, "demo", env=env)[1:] == ("3.0", 1)
    (stage.project / "uv.toml").unlink()
    assert again(stage, *UV, "demo")[1:] == ("3.0", 0)


def sha256_of(version):
    return hashlib.sha256(make_wheel("demo", version)).hexdigest()


def forged(stage):
    """Return what an attacker would like to be kept: nothing but an older release."""
    page = json.loads(stage.index.json_page("demo"))
    page["files"] = [one for one in page["files"] if "-0.1-" in one["filename"]]
    return json.dumps(page).encode()


def test_a_page_that_was_changed_on_disk_is_asked_for_again(two):
    stage, _later = two
    again(stage, *UV, "demo")
    (kept,) = (stage.folder / "cache" / "openvet-install" / "pages").iterdir()
    raw = kept.read_bytes()
    head = raw.partition(b"\n")[0]
    kept.write_bytes(head + b"\n" + forged(stage))
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)
    kept.write_bytes(raw[:32] + raw[32:].replace(b", 600,", b", 900,", 1))
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)
    assert again(stage, *UV, "demo")[1:] == ("1.0", 0)


def test_what_was_noted_of_a_page_and_changed_on_disk_does_not_count(two):
    """What a page lists is noted by its bytes: a note of other bytes in its place, or another note there, is none."""
    stage, _later = two
    again(stage, *UV, "demo")
    (noted,) = (stage.folder / "cache" / "openvet-install" / "listed").iterdir()
    right = noted.read_bytes()
    other = read_listing(forged(stage), stage.index.simple_url).packed()
    for raw in (right[:32] + other, other, b"", right[:-1]):
        noted.write_bytes(raw)
        assert again(stage, *UV, "demo")[:2][1] == "1.0"
        assert noted.read_bytes() == right


def test_a_page_of_another_address_does_not_count_in_its_place(two):
    stage, _later = two
    stage.wheel("other", "1.0", YES)
    stage.policy()
    again(stage, *UV, "other")
    (other,) = (stage.folder / "cache" / "openvet-install" / "pages").iterdir()
    again(stage, *UV, "demo")
    (demo,) = set(other.parent.iterdir()) - {other}
    demo.write_bytes(other.read_bytes())
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)


@pytest.mark.parametrize("said", ["no-store", "max-age=600, no-cache", "", "max-age=1"])
def test_a_page_holds_no_longer_than_the_index_says(two, said):
    stage, _later = two
    body = stage.index.json_page("demo")
    headers = {"Content-Type": "application/vnd.pypi.simple.v1+json", **({"Cache-Control": said} if said else {})}
    stage.index.lies.at_request = lambda _number, path: Reply(200, headers, body) if path == "/simple/demo/" else None
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)
    time.sleep(1.1 if said == "max-age=1" else 0)
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)


def test_what_is_behind_a_login_stays_there(two):
    stage, _later = two
    stage.index.lies.login = ("alice", "secret")
    url = stage.index.simple_url.replace("://", "://alice:secret@")
    for _ in range(2):
        ended, installed, asked = again(stage, *UV, "--default-index", url, "demo")
        assert installed == "1.0", ended
        assert asked >= 1
    cache = stage.folder / "cache" / "openvet-install"
    assert not (cache / "pages").exists()
    assert not (cache / "listed").exists()


def test_an_answer_that_is_no_page_is_not_kept(two):
    stage, _later = two
    headers = {"Content-Type": "application/vnd.pypi.simple.v1+json", "Cache-Control": "max-age=600"}
    stage.index.lies.at_request = lambda _number, path: Reply(200, headers, b"{") if path == "/simple/demo/" else None
    ended, installed, _asked = again(stage, *UV, "demo")
    assert ended.code
    assert installed is None
    stage.index.lies.at_request = lambda _number, _path: None
    assert again(stage, *UV, "demo")[1:] == ("1.0", 1)
