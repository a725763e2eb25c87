"""T32: a note of a run that had nothing to do holds only while nothing has changed; then it spares everything."""

import json
import shutil
import signal
import subprocess
import time

import pytest

from openvet_install.config import baseline, places
from openvet_install.gate import again
from openvet_install.openvet.subject import Subject, TaggedHash
from tests.support.again import SYNC, notes, prepare, ran
from tests.support.logsim import PYPI, write_project
from tests.support.projects import HEAD
from tests.support.stage import BENIGN, PROGRAMS, YES

REVIEWED = BENIGN.replace('"is-benign"', '"is-reviewed"')
RUN = ("run", "python", "-c", "import os, sys; print(sorted(os.environ)); sys.exit(3)")
PROGRAM = 3


@pytest.fixture
def stage(stage):
    """A project with one package, synced; nothing is noted yet."""
    return prepare(stage)


@pytest.fixture
def noted(stage):
    """The same, with a note of `uv sync` and one of `uv run`."""
    for words, code in ((SYNC, 0), (RUN, PROGRAM)):
        for expected in (True, False):
            ended, whole = ran(stage, *words)
            assert (ended.code, whole) == (code, expected), ended.err
    assert len(notes(stage)) == 2
    stage.index.requests.clear()
    stage.logs.requests.clear()
    return stage


TALKING = ("sync", "--color", "always", "--output-format=json")


@pytest.mark.parametrize(
    "words", [SYNC, ("sync", "--locked", "--inexact"), TALKING, ("sync", "--no-color"), RUN], ids=str
)
def test_the_second_time_is_like_the_first(stage, words):
    first, whole = ran(stage, *words)
    assert whole
    stage.index.requests.clear()
    second, whole = ran(stage, *words)
    assert not whole
    assert (second.code, second.out) == (first.code, first.out)
    if words is TALKING:
        assert json.loads(second.out)["sync"]["changes"] == []
    elif words[0] == "sync":
        assert "Checked 1 package" in second.err
    else:
        assert second.err == first.err == ""
    assert stage.leftovers == []
    assert stage.index.requests == []


def test_the_program_gets_what_the_user_has_now(noted):
    ended, whole = ran(noted, *RUN, env={"OLDPWD": "/nowhere", "SHLVL": "7"})
    assert (ended.code, whole) == (PROGRAM, False)
    assert "'OLDPWD'" in ended.out
    assert not {"UV_OFFLINE", "UV_CACHE_DIR", "HTTPS_PROXY", "SSL_CERT_FILE"} & set(
        json.loads(ended.out.replace("'", '"'))
    )


def policy(stage):
    stage.policy(REVIEWED)


def policy_of_the_user(stage):
    folder = stage.folder / "config" / "openvet"
    folder.mkdir(parents=True)
    write_project(folder, [stage.log], REVIEWED)
    (folder / "openvet.toml").rename(folder / "openvet-install.toml")


def pin_of_another_log(stage):
    other = stage.logs.log("other")
    other.publish("nothing-here", "1", claims={})
    write_project(stage.project, [other], BENIGN)


def news_that_another_project_hears(stage):
    digest = (stage.project / "uv.lock").read_text().partition("sha256:")[2][:64]
    folder = stage.folder / "elsewhere"
    folder.mkdir()
    write_project(folder, [stage.log], BENIGN + 'check-every = "0s"\n')
    subject = Subject(PYPI, "good", "1.0", "py3-none-any", TaggedHash.parse(f"sha256:{digest}"))
    stage.log.update(subject, claims={"is-benign": False})
    (folder / "uv.lock").write_bytes((stage.project / "uv.lock").read_bytes())
    (folder / "pyproject.toml").write_bytes((stage.project / "pyproject.toml").read_bytes())
    ended = subprocess.run(
        [str(PROGRAMS / "openvet-uv"), "lock"], env=stage.variables, cwd=folder, capture_output=True, check=False
    )
    assert ended.returncode == 77, ended.stderr


CHANGES = [policy, policy_of_the_user, pin_of_another_log, news_that_another_project_hears]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_what_changes_the_verdict(noted, change):
    change(noted)
    for words in (SYNC, RUN):
        ended, whole = ran(noted, *words)
        assert whole
        assert ended.code in (69, 77, 78), ended.err
        assert ended.out == ""


def touch(*names):
    def change(stage):
        path = stage.folder.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    change.__name__ = "-".join(names)
    return change


def mode_of_the_policy(stage):
    (stage.project / "openvet.toml").chmod(0o666)


def mode_of_the_folder(stage):
    stage.project.chmod(0o777)


def the_same_policy_again(stage):
    path = stage.project / "openvet.toml"
    text = path.read_bytes()
    path.unlink()
    path.write_bytes(text)


def the_store(stage):
    shutil.rmtree(stage.folder / "cache" / "openvet-install" / "objects")


def the_looks(stage):
    (stage.folder / "state" / "openvet-install" / "looks.json").unlink()


def a_killed_run(stage):
    (stage.folder / "state" / "openvet-install" / "targets" / f"{'0' * 32}.before").write_text("x")


def the_key(stage):
    path = stage.folder / "state" / "openvet-install" / "seal"
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw)
    path.chmod(0o600)


def the_note(stage):
    for path in notes(stage):
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)


def another_note(stage):
    first, second = notes(stage)
    raw = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(raw)


def a_need_more(stage):
    stage.wheel("more", "1.0", YES)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good", "more"]\n')


VOID = [
    *(touch("project", name) for name in ("openvet.baseline.toml", "openvet.bundle", "uv.toml", ".git")),
    *(touch(*path) for path in (("uv.toml",), ("pyproject.toml",), ("config", "uv", "uv.toml"))),
    *(mode_of_the_policy, mode_of_the_folder, the_same_policy_again, the_store, the_looks, a_killed_run),
    *(the_key, the_note, another_note, a_need_more),
]


@pytest.mark.parametrize("change", VOID, ids=lambda one: one.__name__)
def test_what_has_to_be_looked_at_again(noted, change):
    change(noted)
    for words in (SYNC, RUN):
        assert ran(noted, *words)[1]


def test_a_package_that_is_gone_comes_back(noted):
    shutil.rmtree(next(noted.environment.glob("lib/*/site-packages/good-1.0.dist-info")))
    ended, whole = ran(noted, *SYNC)
    assert (ended.code, whole) == (0, True)
    assert noted.installed == {"good": "1.0"}


def test_another_command_place_or_variable(noted):
    (noted.project / "inside").mkdir()
    for words, env, cwd in (
        ((*SYNC, "-v"), {}, None),
        (SYNC, {"ANY": "thing"}, None),
        (SYNC, {"PATH": f"/nowhere:{noted.variables['PATH']}"}, None),
        (SYNC, {}, noted.project / "inside"),
        ((*RUN, "more"), {}, None),
    ):
        _, whole = ran(noted, *words, env=env, cwd=cwd)
        assert whole


def test_a_file_of_the_name_of_a_command(stage):
    words = ("run", "true")
    for expected in (True, False):
        assert ran(stage, *words)[1] is expected
    (stage.project / "true").mkdir()
    assert ran(stage, *words)[1]


def test_a_script_may_change_as_long_as_it_asks_for_nothing(stage):
    script = stage.project / "script.py"
    for text, expected in (("1", True), ("2", False), ("3", False)):
        script.write_text(f"print({text})\n")
        ended, whole = ran(stage, "run", "script.py")
        assert (ended.code, ended.out, whole) == (0, f"{text}\n", expected), ended.err
    script.write_text('# /// script\n# dependencies = ["absent"]\n# ///\nprint(4)\n')
    ended, whole = ran(stage, "run", "script.py")
    assert (ended.code, ended.out, whole) == (1, "", True)
    script.unlink()
    assert ran(stage, "run", "script.py")[1]


def test_a_script_in_a_folder_of_the_project(stage):
    script = stage.project / "scripts" / "job.py"
    script.parent.mkdir()
    script.write_text("print(1)\n")
    for expected in (True, False):
        ended, whole = ran(stage, "run", "scripts/job.py")
        assert (ended.code, ended.out, whole) == (0, "1\n", expected), ended.err
    (script.parent / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "1"\n')
    assert ran(stage, "run", "scripts/job.py")[1]


def test_until_the_logs_are_asked_again(stage):
    stage.policy(BENIGN + 'check-every = "6s"\n')
    time.sleep(0.1)
    deadline = time.monotonic() + 60
    while ran(stage, *SYNC)[1]:
        assert time.monotonic() < deadline
    asked = len(stage.logs.requests)
    time.sleep(6.1)
    assert ran(stage, *SYNC)[1]
    assert len(stage.logs.requests) > asked


MORE = [
    ('check-every = "0s"\n', SYNC, {}),
    ('heads = "latest"\n', SYNC, {}),
    ('carry = "content"\n', SYNC, {}),
    ('mode = "record"\n', SYNC, {}),
    ("", (*SYNC, "--dry-run"), {}),
    ("", (*SYNC, "--openvet-offline"), {}),
    ("", (*SYNC, "--openvet-report=json"), {}),
    ("", SYNC, {"OPENVET_INSTALL_REPORT": "markdown:told"}),
    ("", SYNC, {"UV_PROJECT": "."}),
    ("", ("run", "--isolated", "true"), {}),
    ("", ("run", "--no-sync", "true"), {}),
    ("", ("run", "--verbose", "true"), {}),
    ("", ("run", "--with", "good", "true"), {}),
    ("", ("run", "--env-file", "variables", "true"), {}),
    ("", ("run", "script.py"), {}),
]


@pytest.mark.parametrize(("more", "words", "env"), MORE, ids=str)
def test_what_is_never_noted(stage, more, words, env):
    stage.policy(BENIGN + more)
    (stage.project / "variables").write_text("A=b\n")
    (stage.project / "script.py").write_text('# /// script\n# dependencies = ["good"]\n# ///\n')
    time.sleep(0.1)
    for _ in range(2):
        ended, whole = ran(stage, *words, env=env)
        assert ended.code == 0, ended.err
        assert whole
    assert notes(stage) == []


def test_without_a_home_nothing_is_noted(stage):
    for name in ("HOME", "XDG_CONFIG_HOME"):
        del stage.variables[name]
    for _ in range(2):
        ended, whole = ran(stage, *SYNC)
        assert (ended.code, whole) == (0, True), ended.err
    assert notes(stage) == []


def test_in_a_folder_that_is_gone(noted, tmp_path):
    place = tmp_path / "gone"
    place.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", str(PROGRAMS / "openvet-uv"), *SYNC]
    ended = subprocess.run(command, cwd=place, env=noted.variables, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr


def test_what_people_were_told_is_told_again(stage):
    (stage.project / "openvet.toml").chmod(0o666)
    time.sleep(0.1)
    for _ in range(2):
        ended, whole = ran(stage, *SYNC)
        assert (ended.code, whole) == (0, True)
        assert "everybody can write" in ended.err


@pytest.mark.parametrize("words", [SYNC, ("run", "sleep", "0.05")], ids=lambda one: one[0])
def test_an_interruption_leaves_nothing(stage, words):
    for expected in (True, False):
        assert ran(stage, *words)[1] is expected
    for after in range(0, 160, 10):
        with stage.running("openvet-uv", *words) as process:
            time.sleep(after / 1000)
            process.send_signal(signal.SIGTERM if after % 20 else signal.SIGINT)
            process.wait(30)
        assert stage.leftovers == []
    assert not ran(stage, *words)[1]


def test_the_names_are_those_that_policies_have():
    assert {*places._TOGETHER, baseline.BASELINE_TOML} <= set(again.NAMES)
