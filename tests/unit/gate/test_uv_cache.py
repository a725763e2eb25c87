"""uv's private cache comes back as it was left, whoever has looked at it, and when."""

import shutil
from contextlib import closing

import pytest

from openvet_install.gate.places import UvCache, foresee
from openvet_install.installers.looker import Looker


@pytest.fixture
def looker():
    with closing(Looker()) as found:
        found.start()
        yield found


@pytest.fixture
def run(tmp_path, looker):
    def runs(heads=("h",), *, parts=("p",), writes="", meanwhile=lambda: None, foreseen=True):
        """Be one run: return what it finds of the ones before."""
        if foreseen:
            foresee(tmp_path / "uv", parts, looker)
        meanwhile()
        with closing(UvCache(tmp_path / "uv", parts, heads, tmp_path / "spare", looker)) as cache:
            found = sorted(one.name for one in cache.enter().iterdir())
            if writes:
                (cache.path / writes).write_text(writes)
            cache.look()
            cache.seal()
            return found

    return runs


@pytest.mark.parametrize("foreseen", [False, True])
def test_it_comes_back_for_the_same_policies_and_heads(run, foreseen):
    assert run(writes="one", foreseen=foreseen) == []
    assert run(foreseen=foreseen) == ["one"]
    assert run(["other"], foreseen=foreseen) == []
    assert run(parts=["other"], foreseen=foreseen) == []
    assert run(foreseen=foreseen) == ["one"]


def test_what_another_run_leaves_meanwhile_is_taken(run):
    """The look of before is stale then."""
    run(writes="one")
    assert run(meanwhile=lambda: run(writes="two", foreseen=False)) == ["one", "two"]


@pytest.mark.parametrize("foreseen", [False, True])
def test_what_somebody_else_has_changed_is_not(tmp_path, run, foreseen):
    run(writes="one")

    def change():
        (one,) = (tmp_path / "uv").glob("*/one")
        one.write_text("two")

    change()
    assert run(foreseen=foreseen) == []


def test_a_seal_of_other_heads_is_none_of_these(tmp_path, run):
    run(["first"], writes="one")
    run(["second"])
    first, second = sorted((tmp_path / "uv").glob("*.seal"), key=lambda one: one.stat().st_mtime)
    shutil.copy(first, second)
    assert run(["second"]) == []


def test_a_digest_of_no_seal_is_no_seal(run, tmp_path):
    run(writes="one")
    for seal in (tmp_path / "uv").glob("*.seal"):
        seal.unlink()
    assert run() == []


@pytest.mark.parametrize("end", ["lock", "seal"])
def test_what_root_has_left_there_is_left_alone(run, tmp_path, end):
    """As after a run by sudo, in the folder of the user; a link and a folder cannot be opened by root either."""
    run(writes="one")
    (place,) = (tmp_path / "uv").glob(f"*.{end}")
    place.unlink()
    if end == "lock":
        place.symlink_to(place)
    else:
        place.mkdir()
    assert run(writes="two") == []
    assert (tmp_path / "spare" / "two").exists()
