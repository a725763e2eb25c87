"""T03, T06: everything that a requirement-like file may hold, as whole commands: what pip and uv would take from it."""

import os
import threading

import pytest

from tests.support.attacks import BOTH, PIP, UV, everything, evil_sdist, plain, stopped
from tests.support.indexsim import IndexSimulator, Reply
from tests.support.stage import WARN, YES
from tests.support.wheels import make_wheel, wheel_name


def test_plain_pip_lets_a_constraint_swap_a_package(stage):
    path = evil_sdist(stage)
    stage.wheel("evil", "1.0")
    (stage.project / "c.txt").write_text(f"evil @ {path.as_uri()}\n")
    assert plain(stage, PIP, "-c", "c.txt", "evil") == 0
    assert stage.marker.exists()


@pytest.mark.parametrize("flag", ["-c", "--build-constraint", "-r"])
@BOTH
def test_no_constraint_swaps_a_package(stage, tool, flag):
    path = evil_sdist(stage)
    stage.wheel("evil", "1.0")
    (stage.project / "c.txt").write_text(f"evil @ {path.as_uri()}\n")
    (stage.project / "r.txt").write_text("evil\n-c c.txt\n")
    stage.policy(WARN)
    before = everything(stage)
    ended = stage.run(*tool, flag, "r.txt" if flag == "-r" else "c.txt", "evil")
    stopped(stage, ended, 64, before=before)
    assert "c.txt:1" in ended.err
    assert stage.index.requests == []


@BOTH
def test_constraints_nested_files_and_options_work(stage, tool):
    for version in ("1.0", "2.0", "3.0"):
        stage.wheel("good", version, YES)
    stage.wheel("other", "1.0", YES)
    stage.policy()
    (stage.project / "sub").mkdir()
    (stage.project / "r.txt").write_text("-r sub/a.txt\n-c sub/c.txt\n--only-binary :all:\n")
    (stage.project / "sub/a.txt").write_text(
        "-c d.txt\ngood \\\n  >=1\n# x\n--prefer-binary\n" if tool is PIP else "-c d.txt\ngood\n"
    )
    (stage.project / "sub/c.txt").write_text("good<3\n")
    (stage.project / "sub/d.txt").write_text("other==9\n")
    ended = stage.run(*tool, "-r", "r.txt", "-c", "sub/c.txt")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "2.0"}


@BOTH
def test_a_constraint_that_nothing_approved_meets_is_a_block(stage, tool):
    stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0")
    stage.policy()
    (stage.project / "c.txt").write_text("good>1\n")
    before = everything(stage)
    ended = stage.run(*tool, "good", "-c", "c.txt")
    stopped(stage, ended, 77, before=before)
    assert "pypi:good@2.0" in ended.err


@BOTH
def test_an_index_that_a_file_names_is_gated(stage, tool):
    raw = make_wheel("evil", "1.0", files={"evil.py": f"open({str(stage.marker)!r}, 'w')"})
    stage.wheel("good", "1.0", YES)
    stage.policy()
    with IndexSimulator() as other:
        other.add(raw, filename=wheel_name("evil", "1.0", "py3-none-any"))
        (stage.project / "r.txt").write_text("--extra-index-url ${PLACE}/simple\ngood\nevil\n")
        before = everything(stage)
        place = other.simple_url.rstrip("/").removesuffix("/simple")
        ended = stage.run(*tool, "-r", "r.txt", env={"PLACE": place})
        stopped(stage, ended, 77, before=before)
        assert [one.path for one in other.requests if "evil" in one.path]
        assert "${" not in ended.err


@BOTH
def test_a_file_by_url_is_fetched_once_and_judged(stage, tool):
    path = evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    stage.policy()
    origin = stage.index.simple_url.partition("/simple")[0]
    texts = {"/d/r.txt": "-c sub/c.txt\ngood\n", "/d/sub/c.txt": "good<2\n"}

    def answer(number, asked):
        if asked not in texts:
            return None
        return Reply(body=texts[asked].encode() if number == 1 else f"evil @ {path.as_uri()}\n".encode())

    stage.index.lies.at_request = answer
    ended = stage.run(*tool, "-r", f"{origin}/d/r.txt")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert {asked: stage.index.counts[asked] for asked in texts} == dict.fromkeys(texts, 1)


@pytest.mark.parametrize(
    "text",
    ["evil @ file://D\n", "-f file://D\n", "-r file:///etc/passwd\n", "-e git+https://h/x\n", "--trusted-host h\n"],
)
@BOTH
def test_nothing_from_elsewhere_reaches_into_this_machine(stage, tool, text):
    path = evil_sdist(stage)
    stage.policy(WARN)
    origin = stage.index.simple_url.partition("/simple")[0]
    body = text.replace("D", str(path)).encode()
    stage.index.lies.at_request = lambda _number, asked: Reply(body=body) if asked == "/r.txt" else None
    before = everything(stage)
    ended = stage.run(*tool, "-r", f"{origin}/r.txt")
    stopped(stage, ended, 77 if "git+" in text else 64, before=before)
    assert f"{origin}/r.txt:1" in ended.err
    assert "root:" not in ended.err


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(status=404), 69),
        (Reply(status=302, headers={"Location": "file:///etc/passwd"}), 69),
        (Reply(status=302, headers={"Location": "/r.txt"}), 69),
        (Reply(status=302, headers={"Location": "http://169.254.169.254/r.txt"}), 69),
        (Reply(body=b"#" * (5 << 20)), 69),
        (Reply(body=b"\xff\n"), 64),
    ],
    ids=["404", "file", "loop", "metadata", "large", "bytes"],
)
def test_a_url_that_gives_no_text(stage, reply, code):
    stage.policy(WARN)
    origin = stage.index.simple_url.partition("/simple")[0]
    stage.index.lies.at_request = lambda _number, asked: reply if asked == "/r.txt" else None
    before = everything(stage)
    stopped(stage, stage.run(*PIP, "-r", f"{origin}/r.txt"), code, before=before)


@BOTH
def test_constraints_through_a_pipe(stage, tool):
    for version in ("1.0", "2.0"):
        stage.wheel("good", version, YES)
    stage.policy()
    fifo = stage.project / "pipe"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=("good<2\n",))
    writer.start()
    ended = stage.run(*tool, "good", "-c", "pipe")
    writer.join()
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}


def test_uv_reads_requirements_from_its_standard_input(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    ended = stage.run(*UV, "-r", "-", stdin="good\n")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}


@BOTH
def test_build_constraints_hold_for_a_build(stage, tool):
    for version in ("1.0", "2.0"):
        stage.wheel("helper", version, YES, files={"helper.py": f"version = {version!r}\n"})
    stage.sdist("source", "1.0", YES, build_requires=["helper"], requires=[])
    stage.policy()
    (stage.project / "b.txt").write_text("helper==1.0\n")
    ended = stage.run(*tool, "source", "--build-constraint", "b.txt")
    assert ended.code == 0, ended.err
    assert not [one.path for one in stage.index.requests if "helper-2.0" in one.path]
    assert [one.path for one in stage.index.requests if "helper-1.0" in one.path]


GROUPS = """[dependency-groups]
dev = ["good<2", {include-group = "more"}]
more = ["other"]
bad = ["evil @ file://D"]
loop = [{include-group = "loop"}]
"""


@pytest.mark.parametrize("value", ["dev", "pyproject.toml:dev", "../project/pyproject.toml:dev"])
@BOTH
def test_a_dependency_group_is_judged(stage, tool, value):
    for name, version, claims in (
        ("good", "1.0", YES),
        ("good", "2.0", YES),
        ("other", "1.0", YES),
        ("other", "2.0", None),
    ):
        stage.wheel(name, version, claims)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(GROUPS)
    ended = stage.run(*tool, "--group", value)
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "other": "1.0"}


@pytest.mark.parametrize("value", ["bad", "loop", "none", "elsewhere/pyproject.toml:dev", "r.txt:dev"])
@BOTH
def test_no_group_leads_elsewhere(stage, tool, value):
    path = evil_sdist(stage)
    stage.policy(WARN)
    (stage.project / "pyproject.toml").write_text(GROUPS.replace("D", str(path)))
    before = everything(stage)
    stopped(stage, stage.run(*tool, "--group", value), 64, before=before)


def test_sources_of_uv_for_a_group_are_refused(stage):
    path = evil_sdist(stage)
    stage.policy(WARN)
    (stage.project / "pyproject.toml").write_text(GROUPS + f'[tool.uv.sources]\ngood = {{ path = "{path}" }}\n')
    before = everything(stage)
    stopped(stage, stage.run(*UV, "--group", "dev"), 64, 78, before=before)


def test_a_group_that_a_variable_names_is_read_by_us(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("other", "1.0", YES)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(GROUPS)
    ended = stage.run(*PIP, env={"PIP_GROUP": "dev"})
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "other": "1.0"}
