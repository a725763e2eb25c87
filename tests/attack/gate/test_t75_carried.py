"""T75, T76: audits carried by content: both ways, no further than the content, and nothing that is kept is believed.

`acme` has an audited wheel that no target of today can take (`py2`), and one that it can, of which no log tells.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import pytest

from openvet_install.gate.stores import COMPARED
from openvet_install.openvet.subject import Subject
from tests.support.attacks import BOTH
from tests.support.indexsim import IndexSimulator, Reply
from tests.support.stage import BENIGN, NO, YES, Stage
from tests.support.wheels import make_sdist, make_wheel, sdist_name, stem, wheel_name

CARRY = BENIGN + 'carry = "content"\n'
WARN = CARRY + 'mode = "warn"\n'
UV = ("openvet-uv", "pip", "install", "acme")
OLD = "py2-none-any"
MODULES = {"acme/__init__.py": "import acme.guard\n", "acme/guard.py": "SAFE = True\n"}


class Twins:
    """Puts pairs on the stage's index: an audited original, and a file with maybe the same content."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def original(self, version="1.0", claims=YES, *, tag=OLD, files=MODULES, offered=True, **options):
        body = make_wheel("acme", version, tag=tag, files=files, **options)
        return self._put(body, wheel_name("acme", version, tag), version, tag, claims, offered=offered)

    def sdist(self, version="1.0", claims=YES):
        body = make_sdist("acme", version, files=MODULES, marker=self.stage.marker)
        return self._put(body, sdist_name("acme", version), version, "sdist", claims, offered=True)

    def twin(self, version="1.0", *, claims=None, files=MODULES, **options):
        body = make_wheel("acme", version, files=files, **options)
        self._put(body, wheel_name("acme", version), version, "py3-none-any", claims, offered=True)
        return wheel_name("acme", version)

    def _put(self, body, filename, version, tag, claims, *, offered):
        if offered:
            self.stage.index.add(body, filename=filename)
        digest = hashlib.sha256(body).hexdigest()
        if claims is not None:
            self.stage.log.publish("acme", version, variant=tag, sha256=digest, claims=claims)
        return Subject.parse(f"pypi:acme@{version}?{tag}#sha256:{digest}")

    def fetched(self):
        return sorted(one.path for one in self.stage.index.requests if one.path.startswith("/files/"))


@pytest.fixture
def twins(stage):
    return Twins(stage)


def carried(stage, *tool, code=0):
    ended = stage.run(*(tool or UV))
    assert ended.code == code, ended.err
    return ended


def withheld(ended):
    return {one["subject"].partition("@")[2].partition("#")[0]: one["reason"] for one in ended.report["withheld"]}


@BOTH
def test_a_yes_carries_and_says_from_where(stage, twins, tool):
    original = twins.original()
    twins.twin()
    stage.policy(CARRY)
    ended = carried(stage, *tool, "acme")
    assert stage.installed == {"acme": "1.0"}
    (file,) = ended.report["files"]
    assert (file["decision"], file["reason"]) == ("allow", "carried")
    assert [one["carried"] for one in file["requirements"][0]["audits"]] == [str(original)]
    assert ended.ours == []


def test_nothing_carries_unless_the_policy_says_so(stage, twins):
    twins.original()
    twins.twin()
    stage.policy()
    assert withheld(carried(stage, code=77)) == {"1.0?py3-none-any": "unaudited"}
    assert twins.fetched() == []


def test_one_policy_that_carries_does_not_speak_for_another(stage, twins):
    twins.original()
    twins.twin()
    stage.policy(CARRY)
    user = stage.folder / "config" / "openvet"
    user.mkdir(parents=True)
    for name in ("openvet.lock", "openvet-install.lock"):
        (user / name).write_bytes((stage.project / name).read_bytes())
    log = (stage.project / "openvet.toml").read_text().partition("[requirement]")[0]
    (user / "openvet-install.toml").write_text(log + BENIGN)
    carried(stage, code=77)
    assert twins.fetched() == []


@pytest.mark.parametrize(
    "files",
    [MODULES | {"acme/guard.py": "SAFE = False\n"}, MODULES | {"acme.pth": "import acme\n"},
     {"acme/__init__.py": MODULES["acme/__init__.py"]}],
    ids=["byte", "pth", "less"],
)  # fmt: skip
def test_other_content_is_unaudited_and_says_what_differs(stage, twins, files):
    twins.original()
    twins.twin(files=files)
    stage.policy(CARRY)
    ended = carried(stage, code=77)
    assert withheld(ended) == {"1.0?py3-none-any": "unaudited"}
    assert "not carried from pypi:acme@1.0?py2-none-any: `acme" in ended.err
    assert stage.installed == {}


# -- a no


def test_a_no_of_the_same_content_holds_for_an_approved_file(stage, twins):
    """A twin of which somebody says no: the audit of the file itself does not outweigh it."""
    twins.original(claims=NO)
    twins.twin(claims=YES)
    stage.policy(CARRY)
    assert withheld(carried(stage, code=77)) == {"1.0?py3-none-any": "contradicted"}


def test_a_no_carries_over_local_versions_and_in_warn_mode(stage, twins):
    twins.original(claims=NO)
    twins.twin("1.0+cgr.1")
    stage.policy(WARN)
    assert withheld(carried(stage, code=77)) == {"1.0+cgr.1?py3-none-any": "contradicted"}


@pytest.mark.parametrize(("bad", "twin"), [("1.0", "1.0.0+cgr.1"), ("1.0.0", "1.0+cgr.1")])
def test_a_no_carries_however_the_version_is_spelled(stage, twins, bad, twin):
    twins.original(bad, claims=NO)
    twins.twin(twin)
    stage.policy(WARN)
    assert withheld(carried(stage, code=77)) == {f"{twin}?py3-none-any": "contradicted"}


@pytest.mark.parametrize("spelled", [("Acme", "1.0"), ("acme", "v1.0")], ids=["name", "version"])
def test_a_no_carries_however_the_audited_file_is_called(stage, twins, spelled):
    """Nobody lists the file that was contradicted under another spelling; its content is that of an approved one."""
    name, version = spelled
    original = twins.original(claims=None)
    twins.twin(claims=YES)
    stage.log.publish(name, version, variant=OLD, sha256=original.sha256, claims=NO)
    stage.policy(CARRY)
    assert withheld(carried(stage, code=77)) == {"1.0?py3-none-any": "contradicted"}


def test_a_yes_carries_from_its_exact_subject_only(stage, twins):
    original = twins.original(claims=None)
    twins.twin()
    stage.log.publish("Acme", "1.0", variant=OLD, sha256=original.sha256, claims=YES)
    stage.policy(CARRY)
    assert withheld(carried(stage, code=77)) == {"1.0?py3-none-any": "unaudited"}


def test_an_index_that_lists_one_file_at_many_places(stage, twins):
    """Each place is the page's word, and none has the bytes: it is asked for a few times, then it has gone."""
    original = twins.original()
    twins.twin()
    name = wheel_name("acme", "1.0", OLD)
    page = stage.index.entries[name]
    for number in range(40):
        stage.index.entries[f"{name}-{number}"] = replace(page, url=f"{stage.index.origin}/files/{number}/{name}")
    stage.index.lies.at_request = lambda _number, asked: (
        Reply(200, {}, b"other") if asked.endswith(f"/{name}") else None
    )
    stage.policy(CARRY)
    assert withheld(carried(stage, code=77)) == {"1.0?py3-none-any": "unaudited"}
    assert len([one for one in stage.index.requests if one.path.endswith(f"/{name}")]) <= 4
    assert original.sha256


def test_a_release_of_many_files_of_which_one_is_contradicted(stage, twins):
    """What is not shown anyway is not fetched without end to say why."""
    twins.original(claims=NO)
    for number in range(40):
        body = make_wheel("acme", "1.0+cgr.1", files=MODULES | {"acme/guard.py": f"SAFE = {number}\n"})
        stage.index.add(body, filename=f"acme-1.0+cgr.1-{number}-py3-none-any.whl")
    stage.policy(CARRY)
    carried(stage, code=77)
    assert len(twins.fetched()) <= 13


def test_a_no_about_other_content_does_not_carry(stage, twins):
    """What a supplier has mended is another content."""
    twins.original(claims=NO, files=MODULES | {"acme/guard.py": "SAFE = False\n"})
    twins.twin("1.0+cgr.1", claims=YES)
    stage.policy(CARRY)
    carried(stage)
    assert stage.installed == {"acme": "1.0+cgr.1"}


def test_a_yes_that_was_taken_back_does_not_carry(stage, twins):
    original = twins.original()
    twins.twin()
    stage.policy(WARN)
    stage.log.withdraw(original)
    assert withheld(carried(stage, code=77)) == {"1.0?py3-none-any": "withdrawn"}


def test_a_yes_that_is_newer_than_the_pin_does_not_carry(stage, twins):
    stage.policy(CARRY)
    twins.original()
    twins.twin()
    assert withheld(carried(stage, code=77)) == {"1.0?py3-none-any": "unaudited"}


def test_another_no_of_the_release_outweighs_what_carries(stage, twins):
    twins.original()
    twins.original(claims=NO, tag="py2.py3-none-any", files={"acme/evil.py": ""})
    twins.twin()
    stage.policy(CARRY)
    assert set(withheld(carried(stage, code=77)).values()) == {"contradicted"}


# -- an original that is not what was audited


def test_an_original_with_other_bytes(stage, twins):
    """The index serves the twin's content under the audited name: the audit is of the hash."""
    original = twins.original()
    evil = MODULES | {"acme/guard.py": "SAFE = False\n"}
    twins.twin(files=evil)
    entry = stage.index.entries[wheel_name("acme", "1.0", original.variant)]
    entry.served = make_wheel("acme", "1.0", tag=OLD, files=evil)
    stage.policy(CARRY)
    ended = carried(stage, code=77)
    assert withheld(ended) == {"1.0?py3-none-any": "unaudited"}
    assert "are on no index any more" in ended.err


@pytest.mark.parametrize("listed", [True, False])
def test_an_original_that_has_gone(stage, twins, listed):
    twins.original(offered=listed)
    twins.twin()
    path = f"/files/{wheel_name('acme', '1.0', OLD)}"
    stage.index.lies.at_request = lambda _number, asked: Reply(404) if asked == path else None
    stage.policy(CARRY)
    ended = carried(stage, code=77)
    assert withheld(ended) == {"1.0?py3-none-any": "unaudited"}
    assert "on no index any more" in ended.err


def test_an_original_out_of_reach_is_undecided(stage, twins):
    twins.original()
    twins.twin()
    path = f"/files/{wheel_name('acme', '1.0', OLD)}"
    stage.index.lies.at_request = lambda _number, asked: Reply(503) if asked == path else None
    stage.policy(CARRY)
    assert "out of reach" in carried(stage, code=69).err
    assert stage.installed == {}


def test_a_no_that_nobody_can_see_stops_what_would_be_shown(stage, twins):
    twins.original(claims=NO)
    twins.twin("1.0+cgr.1")
    path = f"/files/{wheel_name('acme', '1.0', OLD)}"
    stage.index.lies.at_request = lambda _number, asked: Reply(503) if asked == path else None
    stage.policy(WARN)
    assert "whether a no carries" in carried(stage, code=69).err


@pytest.mark.parametrize("what", ["bomb", "nonsense", "another"])
def test_an_original_that_cannot_be_opened(stage, twins, what):
    name = wheel_name("acme", "1.0", OLD)
    bodies = {
        "bomb": make_wheel("acme", "1.0", tag=OLD, files={"acme/zeros": b"\0" * (300 << 20)}),
        "nonsense": b"PK" + b"\0" * 1000,
        "another": make_wheel("other", "1.0", tag=OLD, files=MODULES),
    }
    twins._put(bodies[what], name, "1.0", OLD, YES, offered=True)
    twins.twin()
    stage.policy(CARRY)
    ended = carried(stage, code=77)
    assert withheld(ended) == {"1.0?py3-none-any": "unaudited"}
    assert "not carried from" in ended.err


# -- what is kept, and how much is asked


def test_bytes_that_are_kept_are_read_again(stage, twins):
    """T32: changed ones are got anew."""
    original = twins.original()
    filename = twins.twin()
    stage.policy(CARRY)
    carried(stage)
    first = twins.fetched()
    assert first == sorted([f"/files/{filename}", f"/files/{wheel_name('acme', '1.0', OLD)}"])
    kept = stage.folder / "cache" / "openvet-install" / "files"
    (place,) = kept.rglob(original.sha256)
    place.chmod(0o600)
    place.write_bytes(make_wheel("acme", "1.0", tag=OLD, files=MODULES | {"acme/more.py": ""}))
    shutil.rmtree(stage.folder / "cache" / "openvet-install" / COMPARED)
    stage.run("openvet-uv", "pip", "uninstall", "acme")
    carried(stage)
    assert len(twins.fetched()) == 3


def test_what_was_compared_is_not_compared_again(stage, twins):
    """Neither what is the same nor what is not: the second run asks for no original, though no bytes are kept."""
    twins.original("1.0")
    twins.original("1.1")
    filename = twins.twin("1.0")
    twins.twin("1.1", files=MODULES | {"acme/guard.py": ""})
    stage.policy(CARRY)
    first = carried(stage)
    assert stage.installed == {"acme": "1.0"}
    assert len(twins.fetched()) == 4
    shutil.rmtree(stage.folder / "cache" / "openvet-install" / "files")
    stage.run("openvet-uv", "pip", "uninstall", "acme")
    stage.index.requests.clear()
    second = carried(stage)
    assert twins.fetched() == [f"/files/{filename}"]
    assert second.report["files"] == first.report["files"]
    assert second.ours == first.ours


def test_a_page_of_many_files_is_compared_from_the_newest_and_no_further(stage, twins):
    for number in range(16):
        twins.original(f"1.{number}")
        twins.twin(f"1.{number}", files=MODULES | {"acme/guard.py": f"SAFE = {number}\n"} if number else MODULES)
    stage.policy(CARRY)
    ended = carried(stage, code=77)
    assert len(twins.fetched()) == 24
    assert "enough newer ones are" in {one["detail"].rpartition(": ")[2] for one in ended.report["withheld"]}
    carried(stage, "openvet-uv", "pip", "install", "acme==1.0")
    assert stage.installed == {"acme": "1.0"}


def test_another_index_has_the_original(stage, twins):
    twins.twin("1.0+cgr.1")
    body = make_wheel("acme", "1.0", files=MODULES)
    twins._put(body, "", "1.0", "py3-none-any", YES, offered=False)
    stage.policy(CARRY)
    with IndexSimulator() as other:
        other.add(body, filename=wheel_name("acme", "1.0"))
        stage.variables["UV_INDEX"] = other.simple_url
        carried(stage, "openvet-uv", "pip", "install", "--index-strategy", "unsafe-best-match", "acme==1.0+cgr.1")
    assert stage.installed == {"acme": "1.0+cgr.1"}


def test_a_page_that_leads_to_a_private_place_leads_nowhere(stage, twins):
    """T34: the address of an original is the page's word."""
    twins.original()
    twins.twin()
    name = wheel_name("acme", "1.0", OLD)
    stage.index.entries[name].url = f"http://169.254.169.254/latest/{name}"
    stage.policy(CARRY)
    assert "out of reach" in carried(stage, code=69).err


# -- sdists


def test_a_pure_wheel_of_an_audited_sdist(stage, twins):
    original = twins.sdist()
    twins.twin()
    stage.policy(CARRY)
    ended = carried(stage)
    (file,) = ended.report["files"]
    assert file["reason"] == "carried"
    assert file["requirements"][0]["audits"][0]["carried"] == str(original)
    assert not stage.marker.exists()


def test_a_wheel_that_brings_the_tests_of_its_sdist(stage, twins):
    twins.sdist()
    twins.twin(files=MODULES | {"own_backend.py": "evil"})
    stage.policy(CARRY + 'sdists = "never"\n')
    assert "`own_backend.py` is of no name" in carried(stage, code=77).err


def test_explain_tells_it(stage, twins):
    original = twins.original()
    twins.twin()
    stage.policy(CARRY)
    ended = stage.run("openvet-install", "explain", "acme==1.0")
    assert ended.code == 0, ended.err
    assert "    carried" in ended.out.splitlines()[0]
    assert f"carried from pypi:acme@1.0?{OLD}#sha256:{original.sha256[:12]}…, 2 members equal" in ended.out
    assert stem("acme", "1.0") in ended.out
