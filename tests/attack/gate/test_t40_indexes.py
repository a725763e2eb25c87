"""T24-T27, T40, T41, T44-T49: archives with two readings, and indexes that play games."""

import pytest

from tests.support.attacks import BOTH, PIP, UV, everything, plain, stopped
from tests.support.indexsim import IndexSimulator, Reply
from tests.support.stage import BENIGN, NO, WARN, YES
from tests.support.wheels import core_metadata, make_sdist, make_wheel, make_zip, sdist_name, wheel_name, wheel_text

HONEST = make_wheel("good", "1.0")
INFO = "good-1.0.dist-info"


ARCHIVES = {
    "bytes before": b"#!/bin/sh\n" + HONEST,
    "bytes after": HONEST + b"more",
    "two zips": make_wheel("evil", "1.0") + HONEST,
    "unlisted member": make_wheel("good", "1.0", unlisted={"evil.py": "EVIL = 1\n"}),
    "record of another": make_wheel("good", "1.0", record=b"good.py,sha256=AAAA,1\n"),
    "climbing": make_zip([("../../x.py", b"EVIL = 1"), (f"{INFO}/METADATA", core_metadata("good", "1.0").encode())]),
    "other name": make_wheel("evil", "1.0"),
    "other version": make_wheel("good", "2.0"),
    "two names": make_wheel("good", "1.0", metadata="Metadata-Version: 2.1\nName: good\nName: evil\nVersion: 1.0\n\n"),
    "two infos": make_wheel("good", "1.0", files={"good.py": "", "evil-1.0.dist-info/METADATA": "Name: evil\n"}),
    "pip itself": make_wheel("good", "1.0", files={"pip/_internal/x.py": ""}),
    "sitecustomize": make_wheel("good", "1.0", files={"sitecustomize.py": ""}),
    "pip.conf": make_wheel("good", "1.0", files={"good-1.0.data/data/pip.conf": "[global]\n"}),
    "pyvenv.cfg": make_wheel("good", "1.0", files={"good-1.0.data/data/pyvenv.cfg": ""}),
    "site by data": make_wheel("good", "1.0", files={"good-1.0.data/data/lib/python3.11/site-packages/e.pth": ""}),
    "other data": make_wheel("good", "1.0", files={"evil-1.0.data/purelib/e.py": ""}),
    "no metadata": make_zip([("good.py", b""), (f"{INFO}/WHEEL", wheel_text().encode()), (f"{INFO}/RECORD", b"")]),
    "bomb": make_zip([("good.py", bytes(300 << 20))]),
}  # fmt: skip


@pytest.mark.parametrize("trick", ARCHIVES)
def test_an_approved_archive_with_two_readings_is_65_in_every_mode(stage, trick):
    # One tool each: which one is asked does not matter to us. Plain pip installs most of these.
    tool = PIP if len(trick) % 2 else UV
    stage.wheel("good", "1.0", YES, body=ARCHIVES[trick])
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good"), 65, before=before)


def test_plain_pip_installs_what_is_listed_nowhere(stage):
    stage.wheel("good", "1.0", body=ARCHIVES["unlisted member"])
    assert plain(stage, PIP, "good") == 0
    assert "evil.py" in str(sorted(everything(stage)))


RARE = ["evil-1.0.egg", "evil-1.0.exe", "evil-1.0.tar.bz2", "evil-1.0.tar.xz", "evil-1.0.tgz"]


@BOTH
def test_rare_formats_are_never_shown(stage, tool):
    for name in RARE:
        stage.index.add(make_sdist("evil", "1.0", marker=stage.marker), filename=name, project="evil")
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 1, 77, before=before)
    assert [one for one in stage.index.requests if one.path.startswith("/files/")] == []


@BOTH
def test_an_honest_wheel_with_a_lying_metadata(stage, tool):
    # Plain uv resolves by the lie, and installs evil with it.
    stage.wheel("good", "1.0", YES)
    stage.index.entries[wheel_name("good", "1.0")].metadata = core_metadata("good", "1.0", ["evil"]).encode()
    stage.wheel("evil", "1.0")
    stage.policy(WARN)
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert stage.index.asked(f"/files/{wheel_name('good', '1.0')}.metadata") == []


@BOTH
@pytest.mark.parametrize("what", ["page", "file"])
def test_a_login_goes_nowhere_but_to_its_index(stage, tool, what):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    with IndexSimulator() as other:
        other.add(make_wheel("good", "1.0"), filename=wheel_name("good", "1.0"))
        path = "/simple/good/" if what == "page" else f"/files/{wheel_name('good', '1.0')}"
        stage.index.lies.login = ("user", "s3cr3tword")
        served = []

        def redirect(_number, asked):
            if asked == path:
                served.append(asked)
                return Reply(302, {"Location": f"{other.origin}{path}"}, b"")
            return None

        stage.index.lies.at_request = redirect
        url = stage.index.simple_url.replace("://", "://user:s3cr3tword@")
        ended = stage.run(*tool, "good", env={"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url})
        assert served
        assert not [one for one in other.requests if "authorization" in one.headers]
        assert (ended.code == 0) == (what == "file"), ended.err
        assert stage.installed == ({"good": "1.0"} if what == "file" else {})


@BOTH
def test_the_silent_sibling_of_a_no(stage, tool):
    # In warn mode the contradicted wheel is hidden; plain pip would build the sdist of the same version then.
    stage.wheel("evil", "1.0", NO)
    stage.sdist("evil", "1.0")
    stage.wheel("evil", "1.0", tag="py2.py3-none-any")
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 77, before=before)


@BOTH
def test_the_silent_sibling_of_a_no_that_the_index_has_taken_away(stage, tool):
    stage.wheel("evil", "1.0", NO)
    stage.sdist("evil", "1.0")
    del stage.index.entries[wheel_name("evil", "1.0")]
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 77, before=before)


@BOTH
def test_an_exemption_does_not_lift_the_sibling_of_a_no(stage, tool):
    stage.wheel("evil", "1.0", NO)
    stage.sdist("evil", "1.0")
    exempt = (
        f'[[install.exempt]]\npackage = "evil"\nversion = "1.0"\nindex = "{stage.index.simple_url}"\nsdist = true\n'
        'owner = "a@b"\nreason = "r"\nuntil = 2026-12-30\n'
    )
    stage.policy(WARN + exempt)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 77, before=before)


@pytest.mark.parametrize(("tool", "when"), [(PIP, "first"), (UV, "second")])
def test_bytes_that_change_between_two_requests(stage, tool, when):
    stage.wheel("good", "1.0", YES)
    evil = make_wheel("good", "1.0", files={"good.py": "EVIL = 1\n"})
    bad = 1 if when == "first" else 2
    stage.index.lies.at_request = lambda number, path: (
        Reply(200, {}, evil) if path.startswith("/files/") and number == bad else None
    )
    stage.policy(WARN)
    import shutil

    codes = []
    for _ in range(2):
        codes.append(stage.run(*tool, "good").code)
        shutil.rmtree(stage.folder / "cache")
        for path in stage.environment.glob("lib/python*/site-packages/good*"):
            assert "EVIL" not in (path.read_text() if path.is_file() else "")
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert codes == ([65, 0] if when == "first" else [0, 65])


def test_a_withheld_name_does_not_send_uv_to_the_next_index(stage):
    # With 404 in place of an empty page uv would take the second index's file.
    stage.wheel("internal", "1.0", NO)
    stage.policy(WARN)
    with IndexSimulator() as public:
        public.add(make_wheel("internal", "9.9"), filename=wheel_name("internal", "9.9"))
        before = everything(stage)
        env = {"UV_INDEX": stage.index.simple_url, "UV_DEFAULT_INDEX": public.simple_url}
        stopped(stage, stage.run(*UV, "internal", env=env), 77, before=before)
        assert public.asked("/simple/internal/") == []


@pytest.mark.parametrize(("tool", "first"), [(PIP, "private"), (PIP, "public"), (UV, "private")])
def test_an_index_that_does_not_answer_is_not_absent(stage, tool, first):
    # pip reads 503 as "not here" and takes the file of the other index: plain pip installs evil.
    stage.policy(WARN)
    stage.index.lies.status = 503
    with IndexSimulator() as public:
        public.add(make_wheel("internal", "9.9"), filename=wheel_name("internal", "9.9"))
        one, two = stage.index.simple_url, public.simple_url
        if first == "public":
            one, two = two, one
        before = everything(stage)
        env = {"PIP_INDEX_URL": one, "PIP_EXTRA_INDEX_URL": two, "UV_INDEX": one, "UV_DEFAULT_INDEX": two}
        stopped(stage, stage.run(*tool, "internal", env=env), 69, before=before)


def test_an_exemption_by_version_is_bound_to_its_index(stage):
    stage.wheel("internal", "1.0")
    exempt = (
        f'[[install.exempt]]\npackage = "internal"\nversion = "1.0"\nindex = "{stage.index.simple_url}"\n'
        'owner = "a@b"\nreason = "r"\nuntil = 2026-12-30\n'
    )
    stage.policy(BENIGN + exempt)
    before = everything(stage)
    with IndexSimulator() as public:
        public.add(make_wheel("internal", "1.0", files={"internal.py": "EVIL"}), filename=wheel_name("internal", "1.0"))
        for tool, flag in ((PIP, "--index-url"), (UV, "--default-index")):
            stopped(stage, stage.run(*tool, flag, public.simple_url, "internal"), 77, before=before)
    stage.sdist("internal", "1.0")
    del stage.index.entries[wheel_name("internal", "1.0")]
    stopped(stage, stage.run(*UV, "internal"), 77, before=before)


@pytest.mark.parametrize(("tool", "hashes"), [(PIP, ()), (UV, ("md5",)), (PIP, ("sha512",))])
def test_pages_without_a_sha256(stage, tool, hashes):
    stage.wheel("good", "1.0", YES)
    stage.wheel("evil", "1.0")
    stage.index.lies.hashes = hashes
    stage.policy(BENIGN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 77, before=before)
    stage.index.entries[wheel_name("good", "1.0")].served = make_wheel("good", "1.0", files={"good.py": "EVIL"})
    stopped(stage, stage.run(*tool, "good"), 77, before=before)  # nobody promised other bytes: they are unaudited
    stage.index.entries[wheel_name("good", "1.0")].served = None
    assert stage.run(*tool, "good").code == 0


ODD = {
    "upper case": ("Good-1.0-py3-none-any.whl", {}),
    "climbing url": ("evil-1.0-py3-none-any.whl", {"url": "../../files/%2e%2e/evil-1.0-py3-none-any.whl"}),
    "another tail": ("evil-1.0-py3-none-any.whl", {"url": "/files/good-1.0-py3-none-any.whl"}),
    "slash in the name": ("evil-1.0-py3-none-any.whl", {"extra": {"filename": "../evil-1.0-py3-none-any.whl"}}),
    "controls": ("evil-1.0-py3-none-any.whl", {"extra": {"filename": "evil\x1b[2J-1.0-py3-none-any.whl"}}),
    "hash of the approved": ("evil-1.0-py3-none-any.whl", {"extra": {"hashes": "APPROVED"}}),
    "hashes that are no table": ("evil-1.0-py3-none-any.whl", {"extra": {"hashes": ["x"]}}),
    "deep": ("evil-1.0-py3-none-any.whl", {"extra": {"x": "DEEP"}}),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_and_hashes_on_pages(stage, odd):
    tool = PIP if len(odd) % 2 else UV
    digest = stage.wheel("good", "1.0", YES)
    name, options = ODD[odd]
    options = {**options, "extra": dict(options.get("extra", {}))}
    if options["extra"].get("hashes") == "APPROVED":
        options["extra"]["hashes"] = {"sha256": digest}
    if options["extra"].get("x") == "DEEP":
        stage.index.lies.raw_page = b"[" * 200_000
    body = make_wheel("evil", "1.0", files={"evil.py": "EVIL = 1\n"})
    stage.index.add(body, filename=name, project="evil", **options)
    stage.policy(BENIGN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 1, 65, 69, 77, before=before)


@pytest.mark.parametrize(
    ("tool", "when"), [(PIP, "2999-01-01T00:00:00Z"), (UV, None), (PIP, "yesterday"), (UV, "2026-11-23T00:00:00Z")]
)
def test_dates_that_lie_do_not_shorten_the_cooldown(stage, tool, when):
    stage.wheel("new", "1.0", offered={"upload_time": when})
    stage.policy(WARN + 'cooldown = "3650d"\n')
    before = everything(stage)
    ended = stage.run(*tool, "new")
    stopped(stage, ended, 77, before=before)
    assert ended.report["withheld"][0]["reason"] == "too-young"


@BOTH
def test_a_deep_fall_is_refused(stage, tool):
    stage.wheel("good", "1.0", YES, offered={"upload_time": "2018-01-01T00:00:00Z"})
    stage.wheel("good", "2.0", NO, offered={"upload_time": "2026-01-01T00:00:00Z"})
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good"), 77, before=before)


@BOTH
def test_an_sdist_of_a_wheels_name(stage, tool):
    # `evil-1.0.tar.gz` whose bytes are an approved sdist of another project.
    stage.sdist("source", "1.0", YES)
    raw = stage.index.entries[sdist_name("source", "1.0")].body
    stage.index.add(raw, filename="evil-1.0.tar.gz")
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 65, before=before)


@BOTH
@pytest.mark.parametrize(("bad", "silent"), [("1.0", "1.0.0"), ("1.0.0", "1.0"), ("1!2.0rc1", "1!2rc1")])
def test_the_sibling_of_a_no_whose_version_is_spelled_otherwise(stage, tool, bad, silent):
    """T44: for resolvers `1.0` and `1.0.0` are one release; in warn mode the silent sdist would be taken, and run."""
    stage.wheel("acme", bad, NO)
    stage.sdist("acme", silent)
    stage.policy(WARN)
    ended = stage.run(*tool, *(("--pre",) if tool[0] == "openvet-pip" else ("--prerelease=allow",)), "acme")
    assert ended.code == 77, ended.err
    assert {one["reason"] for one in ended.report["withheld"]} == {"contradicted"}
    assert not stage.marker.exists()
    stage.index.entries.pop(wheel_name("acme", bad))
    ended = stage.run(*tool, *(("--pre",) if tool[0] == "openvet-pip" else ("--prerelease=allow",)), "acme")
    assert ended.code == 77, ended.err
    assert not stage.marker.exists()
