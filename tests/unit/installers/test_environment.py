import os
from pathlib import Path

import pytest

from openvet_install.installers.environment import (
    CHILD_TIMEOUT_SECONDS,
    column,
    gateway_variables,
    sort_environment,
    upstream_settings,
)

URL = "http://openvet:token@127.0.0.1:1"


def test_what_goes_over_and_what_is_named():
    environ = {
        "HOME": "/h",
        "LC_ALL": "C",
        "PIP_INDEX_URL": "https://i/simple",
        "PIP_FIND_LINKS": "/w",
        "PIP_CERT": "/c",
        "PIP_DEFAULT_TIMEOUT": "180",
        "PIP_REQUIREMENT": "f",
        "PIP_PYTHON": "p",
        "PIP_PRE": "",
        "PIP_WHATEVER": "1",
        "UV_INDEX": "https://i",
        "LD_PRELOAD": "x",
    }
    found = sort_environment("pip", environ)
    assert found.child == {"HOME": "/h", "LC_ALL": "C", "PIP_INDEX_URL": "https://i/simple"}
    assert found.judged == {"PIP_PYTHON": "p", "PIP_REQUIREMENT": "f", "PIP_FIND_LINKS": "/w"}
    assert found.upstream == {"PIP_CERT": "/c"}
    assert found.dropped == ("PIP_WHATEVER",)
    assert "https://i" not in repr(found)


def test_uv_names_with_patterns():
    assert column("UV_INDEX_MY_INDEX_PASSWORD") == "carry"
    assert column("UV_CONCURRENT_BUILDS") == "carry"
    assert column("UV_INTERNAL__TEST") == "never"
    assert column("UV_INDEX_STRATEGY") == "carry"
    assert column("UV_NEW_THING") is None
    assert column("HOME") is None


def test_pip_child_of_the_gateway(tmp_path):
    found = gateway_variables("pip", url=URL, bundle=Path("/b.pem"), empty_dir=tmp_path, trusted=("h:80", "i:81"))
    assert {found[name] for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")} == {URL}
    trust = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
    assert {found[name] for name in trust} == {"/b.pem"}
    assert found["SSL_CERT_DIR"] == str(tmp_path)
    assert found["PIP_CONFIG_FILE"] == os.devnull
    assert (found["PIP_USE_DEPRECATED"], found["PIP_NO_CACHE_DIR"]) == ("legacy-certs", "1")
    assert found["PIP_TRUSTED_HOST"] == "h:80 i:81"
    assert CHILD_TIMEOUT_SECONDS >= 300
    assert found["PIP_DEFAULT_TIMEOUT"] == found["UV_HTTP_TIMEOUT"] == str(CHILD_TIMEOUT_SECONDS)
    assert not {"NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "PIP_PROXY"} & set(found)


def test_uv_child_of_the_gateway(tmp_path):
    found = gateway_variables(
        "uv", url=URL, bundle=Path("/b"), empty_dir=tmp_path, cache_dir=Path("/c"), trusted=("h:80",)
    )
    assert (found["UV_CACHE_DIR"], found["UV_LINK_MODE"], found["UV_PYTHON_DOWNLOADS"]) == ("/c", "copy", "never")
    assert "PIP_TRUSTED_HOST" not in found
    assert "UV_INSECURE_HOST" not in found
    with pytest.raises(ValueError, match="private cache"):
        gateway_variables("uv", url=URL, bundle=Path("/b"), empty_dir=tmp_path)


def test_the_way_out_of_pip():
    environ = {
        "PIP_CERT": "/pip",
        "REQUESTS_CA_BUNDLE": "/requests",
        "SSL_CERT_FILE": "/ssl",
        "SSL_CERT_DIR": "/dir",
        "PIP_CLIENT_CERT": "/me",
        "HTTPS_PROXY": "http://upper",
        "https_proxy": "http://lower",
        "ALL_PROXY": "http://all",
        "NO_PROXY": "n",
        "PIP_TRUSTED_HOST": "a b:1",
    }
    found = upstream_settings("pip", environ, insecure_hosts=("c",))
    assert (found.ca_file, found.ca_dir, found.client_cert) == ("/pip", "/dir", "/me")
    assert found.proxies == {"http": "http://all", "https": "http://lower"}
    assert (found.no_proxy, found.insecure_hosts) == ("n", ("c", "a", "b:1"))
    assert "lower" not in repr(found)
    assert upstream_settings("pip", environ, cert="/flag").ca_file == "/flag"
    assert upstream_settings("pip", {"PIP_PROXY": "http://p", "NO_PROXY": "n"}).proxies == {
        "http": "http://p",
        "https": "http://p",
    }


def test_the_way_out_of_uv():
    environ = {
        "PIP_CERT": "/pip",
        "SSL_CERT_FILE": "/ssl",
        "SSL_CLIENT_CERT": "/me",
        "HTTPS_PROXY": "http://upper",
        "https_proxy": "http://lower",
        "UV_INSECURE_HOST": "a",
        "UV_SYSTEM_CERTS": "true",
    }
    found = upstream_settings("uv", environ)
    assert (found.ca_file, found.client_cert, found.system_certs) == ("/ssl", "/me", True)
    assert (found.proxies, found.insecure_hosts) == ({"https": "http://upper"}, ("a",))
