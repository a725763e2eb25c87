"""T34: what judges without installing asks private places no more than a run does: a lock and a page only name them."""

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.indexsim import IndexSimulator
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_wheel, wheel_name

PUBLIC = "https://packages.test/simple"
"""An index that somebody has configured, and that is not on this machine."""


@pytest.fixture
def inside():
    """A service of the company, which answers whoever reaches it."""
    with IndexSimulator() as other:
        yield other


def locked(stage, inside):
    """A lock of somebody who wants our machine to ask `inside`; of its file another one was read."""
    for tag, claims in (("py2-none-any", YES), ("py3-none-any", None)):
        body = make_wheel("acme", "1.0", tag=tag, files={"acme.py": ""})
        inside.add(body, filename=wheel_name("acme", "1.0", tag))
        stage._audit("acme", "1.0", tag, body, claims)
    stage.variables |= {"PIP_INDEX_URL": inside.simple_url, "UV_DEFAULT_INDEX": inside.simple_url}
    write_lock(stage, "acme")
    stage.policy(BENIGN + 'carry = "content"\n')


@pytest.mark.parametrize("command", ["check", "suggest", "baseline --owner o"])
def test_a_lock_that_names_a_private_place(stage, inside, command):
    locked(stage, inside)
    assert stage.run("openvet-install", *command.split()).code == 0  # where it is the index that is configured
    stage.variables |= {"PIP_INDEX_URL": PUBLIC, "UV_DEFAULT_INDEX": PUBLIC}
    stage.variables["XDG_CACHE_HOME"] = str(stage.folder / "another")
    inside.requests.clear()
    ended = stage.run("openvet-install", *command.split())
    assert ended.code == 69, ended.err
    assert inside.requests == []


def test_an_index_of_uv_s_own_files_may_be_private(stage, inside):
    locked(stage, inside)
    stage.variables |= {"PIP_INDEX_URL": PUBLIC, "UV_DEFAULT_INDEX": PUBLIC}
    (stage.project / "uv.toml").write_text(f'[[index]]\nname = "ours"\nurl = "{inside.simple_url}"\n')
    assert stage.run("openvet-install", "check").code == 0


@pytest.mark.parametrize("command", ["check", "explain acme==1.0"])
def test_a_private_index_may_list_files_at_other_private_places(stage, command):
    with IndexSimulator(host="localhost") as inside:
        locked(stage, inside)
        for entry in inside.entries.values():
            entry.url = f"http://127.0.0.1:{inside.port}/files/{entry.filename}"
        write_lock(stage, "acme")
        ended = stage.run("openvet-install", *command.split())
        assert ended.code == 0, ended.err
