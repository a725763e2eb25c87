from __future__ import annotations

import hashlib
import json
import ssl
import urllib.error
import urllib.request

import pytest

from tests.support.indexsim import JSON, IndexSimulator, Reply, wheel

NAME = "demo-1.0-py3-none-any.whl"


def fetch(url: str, index: IndexSimulator | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    context = ssl.create_default_context(cafile=str(index.ca)) if index and index.ca else None
    handlers = [urllib.request.ProxyHandler({})] + ([urllib.request.HTTPSHandler(context=context)] if context else [])
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
        return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()


@pytest.mark.parametrize("tls", [False, True])
def test_serves_pages_and_files(tls):
    body = wheel()
    with IndexSimulator(tls=tls, host="localhost" if tls else "127.0.0.1") as index:
        index.add(body, filename=NAME)
        _, headers, page = fetch(f"{index.simple_url}/demo/", index, Accept=JSON)
        assert headers["content-type"] == JSON
        (file,) = json.loads(page)["files"]
        assert file["hashes"] == {"sha256": hashlib.sha256(body).hexdigest()}
        assert file["size"] == len(body)
        assert fetch(file["url"], index)[2] == body
        _, headers, page = fetch(f"{index.simple_url}/demo/", index)
        assert headers["content-type"] == "text/html"
        assert f"#sha256={file['hashes']['sha256']}".encode() in page
        assert [one.path for one in index.requests] == ["/simple/demo/", f"/files/{NAME}", "/simple/demo/"]


def test_lies_where_it_is_told_to():
    with IndexSimulator() as index:
        entry = index.add(wheel(), filename=NAME)
        entry.served = b"other"
        assert fetch(index.file_url(NAME))[2] == b"other"
        index.lies.hashes = ("md5",)
        assert list(json.loads(index.json_page("demo"))["files"][0]["hashes"]) == ["md5"]
        index.lies.at_request = lambda number, path: Reply(200, {}, b"%d" % number) if path == "/n" else None
        assert [fetch(f"{index.origin}/n")[2] for _ in range(2)] == [b"1", b"2"]
        index.lies.failures = 1
        with pytest.raises(urllib.error.HTTPError, match="503") as raised:
            fetch(f"{index.simple_url}/demo/")
        raised.value.close()
        assert fetch(f"{index.simple_url}/demo/")[0] == 200
        index.lies.login = ("me", "secret")
        with pytest.raises(urllib.error.HTTPError, match="401") as raised:
            fetch(f"{index.simple_url}/demo/")
        raised.value.close()
        index.lies.login = None
        index.lies.redirect["/simple/demo/"] = "/simple/other/"
        with pytest.raises(urllib.error.HTTPError, match="404") as raised:
            fetch(f"{index.simple_url}/demo/")
        raised.value.close()
        assert index.requests[-1].path == "/simple/other/"
