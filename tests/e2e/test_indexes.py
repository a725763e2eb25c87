"""The index is the one that pip or uv is configured with: variable, file, flag."""

import json
from urllib.parse import unquote

import pytest

from openvet_install.gateway.pages import JSON_TYPE
from tests.support.indexsim import IndexSimulator, Reply
from tests.support.stage import NO, YES
from tests.support.wheels import make_wheel, sdist_name, wheel_name

PIP = ("openvet-pip", "install")
UV = ("openvet-uv", "pip", "install")
BOTH = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])


@pytest.fixture
def plain(stage):
    """A stage whose variables name no index."""
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        del stage.variables[name]
    return stage


def installs(stage, tool, *more):
    ended = stage.run(*tool, *more, "goodlib")
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "1.0"}
    assert {one["index"] for one in ended.report["files"]} == {stage.index.simple_url}
    agents = {
        value for one in stage.index.requests for key, value in one.headers.items() if key.lower() == "user-agent"
    }
    assert agents == {"openvet-install"}


def test_pip_conf_of_the_user(plain):
    folder = plain.folder / "config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(f"[global]\nindex-url = {plain.index.simple_url}\n")
    installs(plain, PIP)


def test_uv_toml_of_the_user_and_of_the_project(plain):
    text = f'[[index]]\nurl = "{plain.index.simple_url}"\ndefault = true\n'
    folder = plain.folder / "config" / "uv"
    folder.mkdir(parents=True)
    (folder / "uv.toml").write_text(text)
    installs(plain, UV)
    (folder / "uv.toml").unlink()
    (plain.project / "uv.toml").write_text(text)
    installs(plain, UV, "--reinstall")


@BOTH
@pytest.mark.parametrize("flag", ["-i", "--index-url", "--default-index"])
def test_flags(plain, tool, flag):
    if tool is PIP and flag == "--default-index":
        assert plain.run(*tool, flag, plain.index.simple_url, "goodlib").code == 64
        return
    installs(plain, tool, flag, plain.index.simple_url)


@BOTH
def test_a_second_index_is_gated_like_the_first(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    with IndexSimulator() as second:
        second.add(make_wheel("goodlib", "9.0"), filename=wheel_name("goodlib", "9.0"))
        ended = stage.run(*tool, "--extra-index-url", second.simple_url, "goodlib")
        assert second.requests != []
        if tool is UV:
            # uv takes a name from the first index that knows it, so what is withheld there is not looked for elsewhere
            assert ended.code == 77
            assert stage.installed == {}
        else:
            assert ended.code == 0, ended.err
            assert stage.installed == {"goodlib": "1.0"}


@BOTH
def test_an_index_with_a_login_in_its_url(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    stage.index.lies.login = ("reader", "s3cret-word")
    url = stage.index.simple_url.replace("://", "://reader:s3cret-word@")
    ended = stage.run(*tool, "goodlib", env={"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url})
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "1.0"}
    assert "s3cret-word" not in ended.out + ended.err + str(ended.report)


@BOTH
def test_other_bytes_under_an_audited_name_are_unaudited_where_nobody_promised_a_hash(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.index.lies.hashes = ()
    stage.index.entries["goodlib-1.0-py3-none-any.whl"].served = make_wheel(
        "goodlib", "1.0", files={"goodlib.py": "A = 2"}
    )
    stage.policy()
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 77, ended.err
    assert stage.installed == {}
    assert "unaudited" in ended.err


@BOTH
@pytest.mark.parametrize("html", [False, True])
def test_a_page_without_hashes_is_judged_by_its_bytes(stage, tool, html):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("goodlib", "2.0")
    stage.index.lies.hashes = ()
    stage.index.lies.html = html
    stage.policy()
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "1.0"}


@BOTH
def test_what_merely_lies_in_a_folder_is_not_blamed_for_an_index_out_of_reach(stage, tool):
    raw = make_wheel("bad", "1.0")
    stage.wheel("bad", "1.0", NO, body=raw)
    stage.policy()
    folder = stage.project / "wheels"
    folder.mkdir()
    (folder / wheel_name("bad", "1.0")).write_bytes(raw)
    stage.variables |= dict.fromkeys(("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), "http://127.0.0.1:9/simple")
    away = ["--find-links", str(folder)]
    ended = stage.run(*tool, *away, "goodlib")
    assert ended.code == 69, ended.err
    assert "bad" not in "\n".join(ended.ours)
    assert stage.run(*tool, *away, "bad").code == 77


@pytest.mark.parametrize("version", ["1.0+cpu", "1!2.0"])
@BOTH
def test_a_page_that_quotes_less_than_pip_asks_with(stage, tool, version):
    sha256 = stage.wheel("good", version, YES)
    stage.policy()
    (entry,) = stage.index.entries.values()
    url = unquote(stage.index.file_url(entry.filename))
    file = {"filename": entry.filename, "url": url, "hashes": {"sha256": sha256}}
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": "good", "files": [file]}).encode()
    page = Reply(200, {"Content-Type": JSON_TYPE}, body)
    stage.index.lies.at_request = lambda _number, asked: page if asked.startswith("/simple/good") else None
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": version}


@BOTH
def test_a_web_server_that_calls_an_sdist_an_encoding(stage, tool):
    """Some name the ending `.gz` by `Content-Encoding`, whatever was asked for: the bytes are those of the file."""
    stage.sdist("goodlib", "1.0", YES)
    stage.policy()
    name = sdist_name("goodlib", "1.0")
    headers = {"Content-Type": "application/x-tar", "Content-Encoding": "x-gzip"}
    body = stage.index.entries[name].body
    stage.index.lies.at_request = lambda _n, path: Reply(200, headers, body) if path.endswith(name) else None
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "1.0"}


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (203, {}),
        (200, {"Content-Encoding": "aws-chunked"}),
        (200, {"Content-Encoding": "binary"}),
        (200, {"Content-Encoding": "UTF-8"}),
    ],
    ids=["203", "aws-chunked", "binary", "utf-8"],
)
@BOTH
def test_what_proxies_and_stores_add(stage, tool, status, headers):
    """Nobody undoes these encodings, and the bytes are hashed whatever is said of them."""
    stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0")
    stage.policy()
    bodies = {entry.filename: entry.body for entry in stage.index.entries.values()}
    page = stage.index.json_page("good")

    def answer(_number: int, path: str) -> Reply | None:
        name = path.rpartition("/")[2]
        if path.startswith("/simple/good"):
            return Reply(status, {"Content-Type": JSON_TYPE, **headers}, page)
        return Reply(status, {"Content-Type": "application/zip", **headers}, bodies[name]) if name in bodies else None

    stage.index.lies.at_request = answer
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
