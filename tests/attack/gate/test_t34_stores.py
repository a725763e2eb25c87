"""T34: of a host that an index sends to for a file, that file is let in, and nothing else is asked of it."""

import pytest

from tests.support.attacks import BOTH, backend
from tests.support.indexsim import IndexSimulator, Reply
from tests.support.stage import YES
from tests.support.wheels import sdist_name

ASK = """
import urllib.request
try:
    urllib.request.urlopen(urllib.request.Request(%r, headers={"Accept": %r}), timeout=10).read()
except Exception:
    pass
open(FOLDER + "/asked", "w")
"""


@BOTH
@pytest.mark.parametrize("accept", ["text/html", "application/vnd.pypi.simple.v1+json", "*/*"])
def test_a_build_asks_nothing_else_of_a_store(stage, tool, accept):
    with IndexSimulator(host="localhost") as store:
        secret = f"{store.origin}/internal/secret/"
        name = sdist_name("source", "1.0")
        stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", ASK % (secret, accept)))
        stage.policy()
        body = stage.index.entries[name].body
        store.lies.at_request = lambda _number, _path: Reply(200, {"Content-Type": "text/html"}, body)
        stage.index.lies.redirect[f"/files/{name}"] = f"{store.origin}/bucket/{name}?signature=x"
        ended = stage.run(*tool, "source")
        assert ended.code == 0, ended.err
        assert (stage.folder / "asked").exists()
        assert {one.path for one in store.requests} == {f"/bucket/{name}?signature=x"}
