"""Reports of real runs: several at once, where they may go, and what is refused before anything starts."""

import json
import subprocess
import threading

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.stage import WARN, YES, validator


@pytest.fixture
def locked(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("other", "1.0")
    write_lock(stage, "goodlib", "other")
    stage.policy()
    subprocess.run(["git", "init", "-q"], cwd=stage.project, check=True)
    return stage


def line_of(stage, name):
    lines = (stage.project / "uv.lock").read_text().splitlines()
    return lines.index(f'name = "{name}"')


def test_check_writes_several_reports_in_one_run(locked):
    summary = locked.folder / "summary.md"
    summary.write_text("before\n")
    formats = ("json", "jsonl", "sarif", "markdown")
    ended = locked.run(
        "openvet-install", "check", "--report=github", *(f"--report={one}:r.{one}" for one in formats),
        env={"GITHUB_STEP_SUMMARY": str(summary)},
    )  # fmt: skip
    assert ended.code == 77, ended.err
    line = line_of(locked, "other")
    assert ended.out == f"::error file=uv.lock,line={line},title=unaudited::other 1.0: no matching audit\n"
    assert ended.err.splitlines()[-1] == "Summary: 1 passed, 0 failed, 1 unaudited, 1 skipped"
    assert summary.read_text().startswith("before\n**openvet: blocked**, 1 of 2 packages is not approved\n")
    read = {one: (locked.project / f"r.{one}").read_text() for one in formats}
    validator().validate(json.loads(read["json"]))
    assert json.loads(read["json"]) == json.loads(read["jsonl"])
    assert read["jsonl"].count("\n") == 1
    assert json.loads(read["sarif"])["runs"][0]["results"][0]["ruleId"] == "unaudited"
    assert "| other 1.0 | unaudited | uv.lock:" in read["markdown"]


def test_a_wrapper_says_annotations_on_stderr_and_reports_on_stdout(locked):
    (locked.project / "r.txt").write_text("goodlib\n\nother==1.0\n")
    ended = locked.run(
        "openvet-pip", "install", "-r", "r.txt", "--openvet-report=github", "--openvet-report=jsonl:-",
    )  # fmt: skip
    assert ended.code == 77
    assert "::error file=r.txt,line=3,title=unaudited::other 1.0: no matching audit\n" in ended.err
    assert json.loads(ended.out.splitlines()[-1])["outcome"] == "blocked"


def test_jsonl_appends_a_line_a_run_also_after_a_torn_one(locked):
    path = locked.project / "fleet.jsonl"
    path.write_text('{"torn": ')
    locked.policy(WARN)
    ran = [
        threading.Thread(target=locked.run, args=("openvet-install", "check", "--report=jsonl:fleet.jsonl"))
        for _ in range(2)
    ]
    for one in ran:
        one.start()
    for one in ran:
        one.join()
    torn, *lines = path.read_text().splitlines()
    assert torn == '{"torn": '
    assert [json.loads(one)["outcome"] for one in lines] == ["warned", "warned"]


@pytest.mark.parametrize(
    "name", ["json:no/such/folder", "sarif:.", "jsonl:linked", "json:linked", "markdown:out/r.md", "json:fifo"]
)
def test_a_report_that_cannot_be_written_stops_all(locked, name):
    victim = locked.folder / "victim"
    victim.write_text("mine")
    (locked.project / "linked").symlink_to(victim)
    (locked.project / "out").symlink_to(locked.folder)
    subprocess.run(["mkfifo", str(locked.project / "fifo")], check=True)
    for command in (("openvet-install", "check", f"--report={name}"), ("openvet-uv", "pip", "install", "goodlib")):
        more = (f"--openvet-report={name}",) if command[0] == "openvet-uv" else ()
        ended = locked.run(*command, *more)
        assert ended.code == 64, ended.err
        assert "report file" in ended.err
    assert locked.installed == {}
    assert victim.read_text() == "mine"
    assert not (locked.folder / "r.md").exists()


def test_two_reports_on_stdout_are_refused(locked):
    ended = locked.run("openvet-install", "check", "--report=json", "--report=sarif")
    assert ended.code == 64
    assert ended.err.splitlines() == ["error: reports `json` and `sarif` would both go to stdout", "hint: sarif:PATH"]
    assert locked.run("openvet-install", "check", "--report=json:a", "--report=sarif:./a").code == 64


def test_a_full_disk_ends_a_report_and_leaves_no_half_line(locked):
    path = locked.project / "fleet.jsonl"
    path.symlink_to("/dev/full")
    assert locked.run("openvet-install", "check", "--report=jsonl:fleet.jsonl").code == 64


@pytest.mark.parametrize("command", ["openvet-pip install goodlib", "openvet-install check"])
def test_what_stops_before_anything_is_judged_is_reported_too(locked, command):
    (locked.project / "openvet.lock").unlink()
    option = "--openvet-report" if command.startswith("openvet-pip") else "--report"
    ended = locked.run(*command.split(), f"{option}=json:r.json", f"{option}=github", f"{option}=sarif:r.sarif")
    assert ended.code == 78
    report = json.loads((locked.project / "r.json").read_text())
    validator().validate(report)
    assert (report["outcome"], report["exit_code"]) == ("failed", 78)
    (trouble,) = report["troubles"]
    assert trouble["reason"] == "config-refused"
    assert trouble["what"] == "log `alice` has no pin"
    (result,) = json.loads((locked.project / "r.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "config-refused"


def test_every_fault_of_a_policy_has_its_annotation(locked):
    path = locked.project / "openvet.toml"
    path.write_text(path.read_text() + 'cooldwon = "1d"\nmod = "warn"\n')
    lines = path.read_text().splitlines()
    ended = locked.run("openvet-install", "check", "--report=github")
    assert ended.code == 78
    assert ended.out.splitlines() == [
        f"::error file=openvet.toml,line={lines.index(wrong) + 1},title=config-refused::"
        f"openvet-install: unknown key `{wrong.split()[0]}` (openvet.toml:{lines.index(wrong) + 1}, "
        f"key `install.{wrong.split()[0]}`)"
        for wrong in ('cooldwon = "1d"', 'mod = "warn"')
    ]


def test_locks_of_other_tools_are_named(locked):
    path = locked.project / "openvet.toml"
    text = '\n[[lockfile]]\nkind = "uv"\npath = "uv.lock"\n\n[[lockfile]]\nkind = "poetry"\npath = "poetry.lock"\n'
    path.write_text(path.read_text() + text)
    ended = locked.run("openvet-install", "check")
    assert ended.code == 77
    assert "not judged here: poetry.lock (poetry)" in ended.err.splitlines()
    path.write_text(path.read_text().replace('"poetry"', '"conda"'))
    ended = locked.run("openvet-install", "check")
    assert ended.code == 78
    assert "conda" in ended.err
