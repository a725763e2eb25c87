"""init, update, check, explain, and what passes through."""

import shlex
import subprocess
import sys

import pytest

from tests.support.stage import BENIGN, NO, PROGRAMS, WARN, YES


def write_lock(stage, *names):
    """Lock with the real uv against the stage's index."""
    dependencies = ", ".join(f'"{name}"' for name in names)
    (stage.project / "pyproject.toml").write_text(
        f'[project]\nname = "ours"\nversion = "0.1"\nrequires-python = ">=3.10"\ndependencies = [{dependencies}]\n'
    )
    from uv import find_uv_bin

    subprocess.run([find_uv_bin(), "lock", "-q", "--no-cache"], env=stage.variables, cwd=stage.project, check=True)


def test_init_verifies_then_writes_and_says_what_it_trusts(stage):
    stage.wheel("goodlib", "1.0", YES)
    ended = stage.run("openvet-install", "init", "--log", stage.log.url)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        f"alice: first sight: verified 2 commits; head {stage.log.head[:12]}",
        f"alice: operator {stage.log.operator_fingerprint} (compare it with what alice says)",
        'wrote openvet.toml (mode = "block"), openvet.lock, openvet-install.lock',
    ]
    assert stage.run("openvet-pip", "install", "goodlib").code == 0
    assert stage.installed == {"goodlib": "1.0"}


def test_init_looks_at_the_locks_and_starts_in_warn_mode(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("other", "1.0")
    write_lock(stage, "goodlib", "other")
    ended = stage.run("openvet-install", "init", "--log", stage.log.url)
    assert ended.code == 0, ended.err
    assert 'wrote openvet.toml (mode = "warn"), openvet.lock, openvet-install.lock' in ended.out
    assert "uv.lock: 1 of 2 packages approved, 1 unaudited" in ended.out


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_the_way_from_what_is_not_locked_to_green_can_be_pasted(stage, name):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("silent", "1.0")
    text = {
        "requirements.txt": "goodlib\nsilent>=1\n",
        "pyproject.toml": '[project]\nname = "ours"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["goodlib", "silent"]\n',
    }[name]
    (stage.project / name).write_text(text)
    ended = stage.run("openvet-install", "init", "--log", stage.log.url)
    assert ended.code == 0, ended.err
    assert "nothing here is locked with hashes yet" in ended.out
    hint = ended.out.splitlines()[-1].removeprefix("hint: ")
    for command in ("baseline", "suggest", "check"):
        said = stage.run("openvet-install", command)
        assert said.code == 64
        assert said.err.rstrip().endswith(f"hint: {hint.partition('    then ')[0]}")
    for line in hint.split("    then "):
        program, *rest = shlex.split(line)
        env = {"OPENVET_INSTALL_OWNER": "o"}
        pasted = subprocess.run([str(PROGRAMS / program), *rest], cwd=stage.project, env=stage.variables | env,
                                check=False, capture_output=True, text=True)  # fmt: skip
        assert pasted.returncode == 0, pasted.stderr
    ended = stage.run("openvet-install", "check")
    assert (ended.code, ended.err.splitlines()[-1]) == (
        0, "Summary: 1 passed, 0 failed, 0 unaudited, 0 skipped, 1 baseline" if name == "requirements.txt"
        else "Summary: 1 passed, 0 failed, 0 unaudited, 1 skipped, 1 baseline",
    )  # fmt: skip


def test_init_beside_an_older_openvet_toml_writes_its_own_file(stage):
    stage.wheel("goodlib", "1.0", YES)
    (stage.project / "openvet.toml").write_text('# ours\n[requirement]\nbenign = "is-benign"\n')
    ended = stage.run("openvet-install", "init", "--log", stage.log.url)
    assert ended.code == 0, ended.err
    text = (stage.project / "openvet.toml").read_text()
    assert text.startswith("# ours\n")
    assert stage.log.url in text
    assert "[install]" in (stage.project / "openvet-install.toml").read_text()
    assert stage.run("openvet-install", "init", "--log", stage.log.url).code == 64


def test_init_leaves_a_byte_order_mark_and_the_ends_of_lines_alone(stage):
    stage.wheel("goodlib", "1.0", YES)
    before = b'\xef\xbb\xbf[requirement]\r\nbenign = "is-benign"\r\n'
    (stage.project / "openvet.toml").write_bytes(before)
    ended = stage.run("openvet-install", "init", "--log", stage.log.url)
    assert ended.code == 0, ended.err
    assert (stage.project / "openvet.toml").read_bytes().startswith(before)
    assert stage.run("openvet-pip", "install", "goodlib").code == 0


def test_init_of_two_logs_that_would_have_one_name(stage):
    stage.wheel("goodlib", "1.0", YES)
    other = stage.log.url.replace("/alice", "/other/alice")
    ended = stage.run("openvet-install", "init", "--log", stage.log.url, "--log", other)
    assert ended.code == 64
    assert ended.err.splitlines() == [
        f"error: log `alice` is {stage.log.url} too",
        "hint: [log.OTHER-NAME] with its url in openvet.toml, then openvet-install update",
    ]
    twice = stage.run("openvet-install", "init", "--log", stage.log.url, "--log", stage.log.url + "/")
    assert twice.code == 0, twice.err


@pytest.mark.parametrize(
    "url",
    ["logs.example", "https://[logs.example/acme", "ftp://logs.example/acme", "http://logs.example/acme",
     "https://logs example/acme", "https://", ""],
)  # fmt: skip
def test_what_is_no_url_of_a_log_is_64(stage, url):
    ended = stage.run("openvet-install", "init", "--log", url)
    assert ended.code == 64
    assert f"error: `{url}` is no URL of a log" in ended.err


def test_init_takes_the_operators_that_people_know(stage):
    stage.wheel("goodlib", "1.0", YES)
    first = stage.log.operator_fingerprint
    second = stage.log.new_generation("second").fingerprint
    url = stage.log.url
    refused = stage.run("openvet-install", "init", "--log", url)
    assert refused.code == 65
    assert second in refused.err
    wrong = stage.run("openvet-install", "init", "--log", url, "--operator", second)
    assert wrong.code == 65
    assert stage.run("openvet-install", "init", "--log", url, "--operator", "SHA256:x").code == 64
    assert list(stage.project.iterdir()) == []
    ended = stage.run("openvet-install", "init", "--log", url, "--operator", first, "--operator", second)
    assert ended.code == 0, ended.err
    assert f'operators = ["{first}", "{second}"]' in (stage.project / "openvet.toml").read_text()
    assert stage.run("openvet-install", "update").code == 0


def test_init_takes_the_operators_of_a_log_that_the_policy_names_already(stage):
    stage.wheel("goodlib", "1.0", YES)
    policy = stage.project / "openvet.toml"
    policy.write_text(f'[log.alice]\nurl = "{stage.log.url}"\n\n[requirement]\nbenign = "is-benign"\n')
    wrong = stage.run("openvet-install", "init", "--log", stage.log.url, "--operator", f"SHA256:{'A' * 43}")
    assert (wrong.code, list(stage.project.iterdir())) == (65, [policy]), wrong.err
    right = stage.log.operator_fingerprint
    ended = stage.run("openvet-install", "init", "--log", stage.log.url, "--operator", right)
    assert ended.code == 0, ended.err
    assert f'operators = ["{right}"]' in (stage.project / "openvet-install.toml").read_text()


def test_init_of_a_log_that_does_not_verify_writes_nothing(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.log.corrupt("commit", stage.log.head)
    ended = stage.run("openvet-install", "init", "--log", stage.log.url)
    assert ended.code == 65
    assert ended.err.startswith("openvet: invalid, nothing written\n")
    assert list(stage.project.iterdir()) == []


def test_update_moves_pins_forward_only(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    old = stage.log.head
    stage.wheel("goodlib", "2.0", YES)
    ended = stage.run("openvet-install", "update")
    assert ended.out.splitlines() == [
        f"alice: verified 1 new commit(s) (0 keyset / 0 gen-root); head {old[:12]} -> {stage.log.head[:12]}",
        "wrote openvet.lock, openvet-install.lock",
    ]
    assert stage.run("openvet-install", "update").out == f"alice: nothing new; head {stage.log.head[:12]}\n"
    stage.log.serve(old)
    ended = stage.run("openvet-install", "update")
    assert ended.code == 0
    kept = stage.log.head[:12]
    assert ended.out == f"alice: stale; serves {old[:12]}, 1 commit before the pin; kept {kept}\n"


@pytest.mark.parametrize("how", ["fork", "signature"])
def test_update_of_a_log_that_lies_leaves_the_pins_alone(stage, how):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    before = (stage.project / "openvet.lock").read_bytes()
    if how == "fork":
        other = stage.log.fork("elsewhere", at=-2)
        other.publish("evil", "1.0", claims=YES)
        stage.log.become(other)
    else:
        from tests.support.logsim import SimKey

        stage.log.publish("evil", "1.0", claims=YES, publisher=SimKey("nobody"))
    ended = stage.run("openvet-install", "update")
    assert ended.code == 65
    assert ended.err.splitlines()[0] == "openvet: invalid, openvet.lock unchanged"
    assert ended.err.splitlines()[1].startswith("✘ alice    log-invalid    ")
    assert (stage.project / "openvet.lock").read_bytes() == before


def test_check_judges_what_this_target_would_install(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("goodlib", "1.0", tag="cp311-cp311-win_amd64")
    stage.wheel("winonly", "1.0")
    stage.wheel("evil", "1.0", NO)
    write_lock(stage, "goodlib", "evil", 'winonly; sys_platform == \\"win32\\"')
    stage.policy()
    ended = stage.run("openvet-install", "check")
    assert ended.code == 77
    lines = ended.out.splitlines()
    number = next(
        n for n, line in enumerate((stage.project / "uv.lock").read_text().splitlines(), 1) if line == 'name = "evil"'
    )
    assert lines[0] == f"✘ pypi:evil@1.0?py3-none-any    contradicted    uv.lock:{number - 1}"
    assert lines[1] == "└─ benign: ✘ contradicted"
    assert ended.err.splitlines() == [
        "not judged here: winonly (win32)",
        "Summary: 1 passed, 1 failed, 0 unaudited, 1 skipped",
    ]
    everything = stage.run("openvet-install", "check", "--all-files")
    assert everything.code == 77
    assert "pypi:winonly@1.0?py3-none-any" in everything.out
    assert "pypi:goodlib@1.0?cp311-cp311-win_amd64" in everything.out


def test_check_in_warn_mode_passes_silence(stage):
    stage.wheel("other", "1.0")
    write_lock(stage, "other")
    stage.policy(WARN)
    ended = stage.run("openvet-install", "check", "uv.lock")
    assert ended.code == 0
    assert ended.out.startswith("! pypi:other@1.0?py3-none-any    unaudited    uv.lock:")


def test_check_reads_pylock(stage):
    stage.wheel("goodlib", "1.0", YES)
    write_lock(stage, "goodlib")
    from uv import find_uv_bin

    subprocess.run(
        [find_uv_bin(), "export", "-q", "--no-cache", "--frozen", "--no-emit-project", "-o", "pylock.toml"],
        env=stage.variables, cwd=stage.project, check=True,
    )  # fmt: skip
    stage.policy()
    ended = stage.run("openvet-install", "check", "pylock.toml")
    assert (ended.code, ended.out) == (0, ""), ended.err
    assert ended.err == "Summary: 1 passed, 0 failed, 0 unaudited, 0 skipped\n"


def test_check_reports_as_json(stage):
    stage.wheel("evil", "1.0", NO)
    write_lock(stage, "evil")
    stage.policy()
    import json

    from tests.support.stage import validator

    ended = stage.run("openvet-install", "check", "--report=json")
    assert ended.code == 77
    report = json.loads(ended.out)
    validator().validate(report)
    assert report["outcome"] == "blocked"


def test_explain_shows_the_tree_and_ends_as_an_install_would(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("goodlib", "2.0", NO)
    stage.policy()
    ended = stage.run("openvet-install", "explain", "goodlib==2.0")
    assert ended.code == 77, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("✘ pypi:goodlib@2.0?py3-none-any#sha256:")
    assert lines[0].endswith("contradicted")
    assert any("is-benign → false" in line for line in lines)
    assert any("benign: ✘ contradicted" in line for line in lines)
    ended = stage.run("openvet-install", "explain", "goodlib==1.0")
    assert ended.code == 0
    assert "benign: ✓ pass" in ended.out
    both = stage.run("openvet-install", "explain", "goodlib")
    assert both.code == 0
    assert "goodlib@2.0" in both.out
    assert "goodlib@1.0" in both.out


def test_commands_without_a_policy_say_how_to_start(stage):
    for command in (["update"], ["check"], ["explain", "goodlib"]):
        ended = stage.run("openvet-install", *command)
        assert ended.code == 78
        assert "hint: openvet-install init --log URL" in ended.err


def test_usage_errors_are_64(stage):
    for command in ([], ["nonsense"], ["init"], ["explain", "a b"], ["check", "--no-such"]):
        stage.policy(BENIGN)
        ended = stage.run("openvet-install", *command)
        assert ended.code == 64, (command, ended.err)


def test_listing_passes_through_with_streams_untouched(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    stage.run("openvet-pip", "install", "goodlib")
    ended = stage.run("openvet-pip", "list", "--format=json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.strip() == '[{"name": "goodlib", "version": "1.0"}]'
    ended = stage.run("openvet-uv", "pip", "list", "--format=json")
    from uv import find_uv_bin

    plain = subprocess.run(
        [find_uv_bin(), "pip", "list", "--format=json"], env=stage.variables, cwd=stage.project, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert (ended.code, ended.out, ended.err) == (0, plain.stdout, plain.stderr)


def test_versions_pass_through(stage):
    from uv import find_uv_bin

    plain = subprocess.run([find_uv_bin(), "--version"], capture_output=True, text=True, check=True)
    assert stage.run("openvet-uv", "--version").out == plain.stdout
    assert stage.run("openvet-pip", "--version").out.startswith("pip 26.3")


@pytest.mark.parametrize(
    "command",
    [
        ("openvet-uv", "publish"), ("openvet-uv", "self", "update"), ("openvet-uv", "tool", "audit"),
        ("openvet-pip", "no-such-command"), ("openvet-pip", "list", "--outdated"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_gated_does_not_run(stage, command):
    stage.policy()
    ended = stage.run(*command)
    assert ended.code == 64
    assert ended.err.startswith("error: ")
    assert stage.index.requests == []


def test_our_own_environment_is_no_target(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    for tool in (("openvet-pip", "install"), ("openvet-uv", "pip", "install")):
        ended = stage.run(*tool, "--python", sys.executable, "goodlib")
        assert ended.code == 64, ended.err
        assert "openvet-install itself" in ended.err


def test_a_closed_pipe_ends_the_text_and_not_the_verdict(stage):
    for number in range(60):
        stage.wheel(f"lib{number}", "1.0")
    write_lock(stage, *(f"lib{number}" for number in range(60)))
    stage.policy()
    command, _report = stage.command("openvet-install", "check")
    line = f"set -o pipefail; {' '.join(command)} | head -1"
    ended = subprocess.run(
        ["bash", "-c", line], env=stage.variables, cwd=stage.project, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 77
    assert ended.stdout.startswith("✘ pypi:lib0@1.0")
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr
