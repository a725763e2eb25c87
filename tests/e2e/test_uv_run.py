"""`uv run`: installed under the gate into what uv itself would use, the program outside of it as plain uv starts it."""

import json
import shutil
import signal
import socket
import subprocess
import zipfile

import pytest

from tests.support.stage import BENIGN, PROGRAMS, YES, read_report

HEAD = '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
TELL = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv, sys.path, sys.prefix, os.getcwd()]))"
RUN = ("openvet-uv", "run")


@pytest.fixture
def stage(stage):
    stage.environment = stage.project / ".venv"
    del stage.variables["VIRTUAL_ENV"]
    return stage


def project(stage, *needs, more=""):
    listed = ", ".join(f'"{one}"' for one in needs)
    (stage.project / "pyproject.toml").write_text(f"{HEAD}dependencies = [{listed}]\n{more}")
    plain(stage, "lock")


def plain(stage, *words, env=None, **options):
    """What uv itself does, with a cache of its own."""
    cache = {"UV_CACHE_DIR": str(stage.folder / "plain-cache"), "TMPDIR": str(stage.folder)}
    return subprocess.run(
        [str(PROGRAMS / "uv"), *words], env=(env if env is not None else stage.variables) | cache, cwd=stage.project,
        capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


def told(ended):
    assert ended.returncode == 0 if hasattr(ended, "returncode") else ended.code == 0, ended
    return json.loads(ended.stdout if hasattr(ended, "stdout") else ended.out)


def test_a_project_is_brought_in_line_and_its_program_runs_as_under_uv(stage):
    stage.wheel("good", "1.0", YES, files={"good.py": "VALUE = 7\n"})
    stage.policy()
    project(stage, "good")
    words = ("python", "-c", f"import good; assert good.VALUE == 7; {TELL}", "a b", "--openvet")
    ours = stage.run(*RUN, *words)
    assert not ours.ours, ours.err
    plainly = told(plain(stage, "run", "--offline", *words))
    found = told(ours)
    plainly[0] = {**plainly[0], "TMPDIR": stage.variables["TMPDIR"]}
    plainly[0].pop("UV_CACHE_DIR")
    assert found == plainly
    assert stage.leftovers == []
    again = stage.run(*RUN, "python", "-c", "print(1)")
    assert (again.code, again.out, again.err) == (0, "1\n", "")


def test_nothing_of_python_in_the_c_locale_is_added(stage):
    stage.policy()
    project(stage)
    variables = {name: stage.variables[name] for name in ("PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")}
    ended = subprocess.run(
        [str(PROGRAMS / "openvet-uv"), "run", "env", "-0"], env=variables, cwd=stage.project, capture_output=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    names = {entry.partition(b"=")[0].decode() for entry in ended.stdout.split(b"\0") if entry}
    assert names == {*variables, "UV", "UV_RUN_RECURSION_DEPTH", "VIRTUAL_ENV"}


@pytest.mark.parametrize("words", [["--with", "extra"], ["--with", "extra", "--isolated"], ["--isolated"]], ids=str)
def test_what_is_added_lies_over_the_project(stage, words):
    stage.wheel("good", "1.0", YES, files={"good.py": "VALUE = 7\n"})
    stage.wheel("extra", "1.0", YES, requires=["more"], files={"extra.py": "VALUE = 8\n"})
    stage.wheel("more", "1.0", YES)
    stage.policy()
    project(stage, "good")
    code = ["python", "-c", "import good, extra" if "--with" in words else "import good"]
    ended = stage.run(*RUN, *words, *code)
    assert ended.code == 0, ended.err
    plainly = told(plain(stage, "run", *words, "python", "-c", TELL))
    found = told(stage.run(*RUN, *words, "python", "-c", TELL))
    assert {*found[0]} == {*plainly[0]} - {"UV_CACHE_DIR"}
    tails = [[path.rpartition("/lib/")[2] for path in one[2]] for one in (found, plainly)]
    assert {*tails[0]} == {*tails[1]}
    assert found[0]["VIRTUAL_ENV"] == found[3]
    rooms = list((stage.folder / "cache" / "openvet-install" / "environments").iterdir())
    assert rooms == []
    assert ("extra" in stage.installed) is False


def test_what_the_project_has_needs_no_other_environment(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    project(stage, "good")
    found = told(stage.run(*RUN, "--with", "good>=1,<2", "python", "-c", TELL))
    assert found[3] == str(stage.environment)


def test_a_command_of_the_project_sees_what_is_added(stage):
    stage.wheel(
        "good", "1.0", YES, files={"good.py": "def main():\n    import extra\n    print(extra.VALUE)\n"},
        entry_points={"go": "good:main"},
    )  # fmt: skip
    stage.wheel("extra", "1.0", YES, files={"extra.py": "VALUE = 8\n"})
    stage.policy()
    project(stage, "good")
    ended = stage.run(*RUN, "--with", "extra", "go")
    assert (ended.code, ended.out) == (0, "8\n"), ended.err


SCRIPT = """# /// script
# requires-python = ">=3.10"
# dependencies = ["good>=1"]
#
# [tool.uv]
# exclude-newer = "2030-01-01T00:00:00Z"
# ///
import good, json, os, sys
print(json.dumps([dict(os.environ), sys.argv, good.VALUE]))
"""


def test_a_script_gets_what_it_asks_for_and_nothing_of_the_project(stage):
    stage.wheel("good", "1.0", YES, files={"good.py": "VALUE = 7\n"})
    stage.wheel("good", "2.0", files={"good.py": "VALUE = 9\n"})
    stage.policy()
    project(stage)
    (stage.project / "x.py").write_text(SCRIPT)
    ended = stage.run(*RUN, "x.py", "--flag")
    found = told(ended)
    assert found[1:] == [["x.py", "--flag"], 7]
    assert "held back: good 1.0, newest 2.0 is unaudited" in ended.err
    assert not stage.environment.exists()
    assert {*found[0]} == {*told(plain(stage, "run", "x.py"))[0]} - {"UV_CACHE_DIR"}
    ended = stage.run(*RUN, "-", "--flag", stdin=SCRIPT)
    assert told(ended)[1:] == [["-c", "--flag"], 7]


def test_streams_exit_codes_and_what_cannot_start(stage):
    stage.policy()
    project(stage)
    assert stage.run(*RUN, "sh", "-c", "cat; exit 3", stdin="in").out == "in"
    assert stage.run(*RUN, "sh", "-c", "exit 3").code == 3
    assert stage.run(*RUN, "sh", "-c", "kill -9 $$").code == -signal.SIGKILL
    ours, plainly = stage.run(*RUN, "no-such-program"), plain(stage, "run", "no-such-program")
    assert (ours.code, ours.err) == (plainly.returncode, plainly.stderr)
    (stage.project / "m.py").write_text("import sys; print(__name__, sys.argv[1:])")
    assert stage.run(*RUN, "-m", "m", "-x").out == "__main__ ['-x']\n"
    (stage.project / "pack").mkdir()
    (stage.project / "pack" / "__main__.py").write_text("print('pack')")
    assert stage.run(*RUN, "pack").out == "pack\n"


def test_environment_files_reach_the_program_only(stage):
    stage.policy()
    project(stage)
    (stage.project / ".env").write_text('A=1\nexport B="$A two"\nHTTP_PROXY=http://127.0.0.1:9\nHOME=/elsewhere\n')
    words = ("--env-file", ".env", "python", "-c", TELL)
    found = told(stage.run(*RUN, *words))[0]
    plainly = told(plain(stage, "run", "--offline", *words))[0]
    said = {"A": "1", "B": "1 two", "HTTP_PROXY": "http://127.0.0.1:9", "HOME": stage.variables["HOME"]}
    assert said.items() <= found.items()
    plainly["TMPDIR"] = stage.variables["TMPDIR"]
    plainly.pop("UV_CACHE_DIR")
    assert found == plainly
    assert "A" not in told(stage.run(*RUN, "--no-env-file", *words))[0]
    missing = stage.run(*RUN, "--env-file", "none", "true")
    assert missing.code == 2
    assert "No environment file found" in missing.err


def test_a_program_serves_and_a_signal_ends_it(stage):
    """Its network and its ports are its own, with an environment of the run beside it and without."""
    stage.wheel("extra", "1.0", YES)
    stage.policy(BENIGN.replace('isolation = "off"', 'isolation = "auto"'))
    project(stage)
    code = (
        "import http.server, sys\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    for more in ([], ["--with", "extra"]):
        with stage.running(*RUN, *more, "python", "-c", code) as process:
            port = int(process.stdout.readline())
            with socket.create_connection(("127.0.0.1", port), timeout=10):
                pass
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == (143 if more else -signal.SIGTERM)
    rooms = stage.folder / "cache" / "openvet-install" / "environments"
    assert list(rooms.iterdir()) == []


def test_without_a_project_nothing_is_installed(stage):
    stage.policy()
    ended = stage.run(*RUN, "python", "-c", "print(1)")
    assert (ended.code, ended.out) == (0, "1\n"), ended.err
    project(stage)
    plain(stage, "sync")
    found = told(stage.run(*RUN, "--no-sync", "python", "-c", TELL))
    assert found[3] == str(stage.environment)


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["other/job.py"], {}),
        (["other/below/job.py"], {}),
        (["other/app"], {}),
        (["other/app/"], {}),
        (["other/app.pyz"], {}),
        (["--script", "other/extensionless"], {}),
        (["--gui-script", "other/extensionless"], {}),
        (["--directory", "other", "../job.py"], {}),
        (["--no-sync", "other/job.py"], {}),
        (["--no-project", "other/job.py"], {}),
        (["--project", ".", "other/job.py"], {}),
        (["other/job.py"], {"UV_PROJECT": "."}),
        (["job.py"], {"UV_WORKING_DIR": "other"}),
        (["../job.py"], {"UV_WORKING_DIR": "other"}),
        (["python", "other/job.py"], {}),
        (["link.py"], {}),
        (["../outside.py"], {}),
        (["--with", "good", "other/job.py"], {}),
        (["other/own.py"], {}),
    ],
    ids=str,
)
def test_a_script_belongs_to_the_project_around_it(stage, words, variables):
    code = "import sys; from importlib.metadata import distributions as d\n"
    code += "print(sys.prefix, sorted(f'{one.name} {one.version}' for one in d()))\n"
    for name in ("good", "inner", "outer", "own"):
        stage.wheel(name, "1.0", YES)
    other = stage.project / "other"
    (other / "below").mkdir(parents=True)
    (other / "app").mkdir()
    (other / "pyproject.toml").write_text(f'{HEAD.replace("mine", "other")}dependencies = ["inner"]\n')
    project(stage, "outer")
    for place in ("job.py", "../outside.py", "other/job.py", "other/below/job.py", "other/app/__main__.py"):
        (stage.project / place).write_text(code)
    (other / "extensionless").write_text(code)
    (other / "own.py").write_text(f'# /// script\n# dependencies = ["own"]\n# ///\n{code}')
    with zipfile.ZipFile(other / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", code)
    (stage.project / "link.py").symlink_to("other/job.py")
    stage.policy()
    stage.variables |= variables
    plainly = plain(stage, "run", "-q", *words)
    assert plainly.returncode == 0, plainly.stderr
    made = sorted(str(path.parent) for path in stage.project.rglob("pyvenv.cfg"))
    for path in made:
        shutil.rmtree(path)
    ended = stage.run(*RUN, *words)
    assert ended.code == 0, ended.err
    own = any(word in ("--with", "other/own.py") for word in words)  # in an environment of that run
    assert [ended.out.split(" ", 1)[own:]] == [plainly.stdout.split(" ", 1)[own:]]
    assert sorted(str(path.parent) for path in stage.project.rglob("pyvenv.cfg")) == made


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ([], {}),
        ([], {"UV_PROJECT_ENVIRONMENT": "elsewhere"}),
        ([], {"VIRTUAL_ENV": "active"}),
        (["--active"], {"VIRTUAL_ENV": "active"}),
        (["--no-project"], {"VIRTUAL_ENV": "active"}),
        (["--isolated"], {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("there", [False, True])
def test_a_project_as_it_is(stage, words, variables, there):
    """Without a sync the program runs in the environment that uv takes, or makes, for the project."""
    stage.policy()
    project(stage)
    shutil.rmtree(stage.environment, ignore_errors=True)
    plain(stage, "venv", "--offline", "active")
    seen = []
    for one in ("plain", "ours"):
        if there:
            for place in (".venv", variables.get("UV_PROJECT_ENVIRONMENT", ".venv")):
                plain(stage, "venv", "--offline", "--allow-existing", place)
        stage.variables |= variables
        command = [*words, "--no-sync", "python", "-c", "import sys; print(sys.prefix)"]
        if one == "plain":
            ended = plain(stage, "run", "--offline", *command)
            assert ended.returncode == 0, ended
            prefix = ended.stdout
        else:
            ended = stage.run(*RUN, *command)
            assert ended.code == 0, ended.err
            prefix = ended.out
        made = sorted(path.parent.name for path in stage.project.glob("*/pyvenv.cfg"))
        seen.append((prefix if "--isolated" not in words else "", made))
        for name in (".venv", "elsewhere"):
            shutil.rmtree(stage.project / name, ignore_errors=True)
    assert seen[0] == seen[1]


def test_a_project_as_it_is_in_what_is_no_environment(stage):
    stage.policy()
    project(stage)
    shutil.rmtree(stage.environment, ignore_errors=True)
    stage.environment.write_text("")
    ended = stage.run(*RUN, "--no-sync", "python", "-c", "print(1)")
    plainly = plain(stage, "run", "--offline", "--no-sync", "python", "-c", "print(1)")
    assert (ended.code, ended.out, ended.err.splitlines()[-1]) == (
        plainly.returncode,
        "",
        plainly.stderr.splitlines()[-1],
    )


def test_a_project_that_must_resolve_first(stage):
    stage.wheel("good", "1.0", YES, files={"good.py": "VALUE = 7\n"})
    stage.wheel("good", "2.0")
    stage.wheel("other", "1.0", YES)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good"]\n')
    words = ("python", "-c", "import good; print(good.VALUE)")
    ended = stage.run(*RUN, *words)
    assert (ended.code, ended.out) == (0, "7\n"), ended.err
    assert stage.installed == {"good": "1.0"}
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good", "other"]\n')
    assert stage.run(*RUN, *words).code == 0
    assert stage.installed == {"good": "1.0", "other": "1.0"}
    before = (stage.project / "uv.lock").read_text()
    stage.wheel("evil", "1.0")
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good", "evil"]\n')
    ended = stage.run(*RUN, *words)
    assert (ended.code, ended.out) == (77, "")
    assert (stage.project / "uv.lock").read_text() == before


def test_two_installations_are_one_report(stage):
    for name in ("good", "extra"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    project(stage, "good")
    report = stage.folder / "r.json"
    ended = stage.run(*RUN, f"--openvet-report=json:{report}", "--with", "extra", "python", "-c", "pass")
    assert ended.code == 0, ended.err
    found = read_report(report)
    assert [one["filename"] for one in found["files"]] == ["good-1.0-py3-none-any.whl", "extra-1.0-py3-none-any.whl"]
    assert found["command"] == ["uv", "run", "--with", "extra", "python", "-c", "pass"]
    assert (found["outcome"], found["exit_code"]) == ("allowed", 0)
