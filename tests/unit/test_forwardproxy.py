"""The simulated company proxy is one: plain clients get through it, and not without its login."""

import urllib.error
import urllib.request

import pytest

from tests.support.forwardproxy import ForwardProxy
from tests.support.indexsim import IndexSimulator


def get(url, proxy):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
    with opener.open(url, timeout=20) as answer:
        return answer.status


def test_plain_requests_and_names_of_its_own():
    with IndexSimulator(host="packages.test") as index, ForwardProxy(names={"packages.test": "127.0.0.1"}) as proxy:
        index.add(b"x", filename="a-1.0-py3-none-any.whl")
        assert get(f"{index.simple_url}/a/", proxy.url) == 200
        assert proxy.asked == [f"GET {index.simple_url}/a/"]
        assert len(index.requests) == 1


def test_the_login_is_wanted():
    with IndexSimulator() as index, ForwardProxy(login=("me", "secret")) as proxy:
        index.add(b"x", filename="a-1.0-py3-none-any.whl")
        with pytest.raises(urllib.error.HTTPError, match="407"):
            get(f"{index.simple_url}/a/", proxy.url.replace("me:secret@", ""))
        assert (proxy.refused, proxy.asked, index.requests) == (1, [], [])
        assert get(f"{index.simple_url}/a/", proxy.url) == 200
