"""T03, T04, T05, T21, T22: local inputs, flags in disguise, other targets."""

import json
import os
import sys
import threading

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, evil_sdist, plain, stopped
from tests.support.stage import WARN, YES


@BOTH
def test_a_pipe_is_read_once_and_whole(stage, tool):
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    fifo = stage.project / "pipe"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_text, args=("good\n",))
    writer.start()
    ended = stage.run(*tool, "-r", "pipe")
    writer.join()
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}


@BOTH
def test_a_file_swapped_after_we_read_it(stage, tool):
    stage.wheel("good", "1.0", YES)
    path = evil_sdist(stage)
    stage.policy(WARN)
    listed = stage.project / "r.txt"
    listed.write_text("good\n")

    def swap(_number, _path):
        listed.write_text(f"evil @ {path.as_uri()}\n--index-url http://127.0.0.1:1/\n")

    # The log is asked before the tool starts, the index after: the tool would read the second text.
    stage.index.lies.at_request = swap
    ended = stage.run(*tool, "-r", "r.txt")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert not stage.marker.exists()


FORMS = [
    ["-i", "file://D", "evil"], ["--extra-index-url", "file://D", "evil"], ["-e", "../d"], ["../d"],
    ["git+file://D"], ["evil @ git+https://h.example/x"], ["-f", "../d/evil-1.0.tar.gz", "evil"],
]  # fmt: skip


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
def test_no_folder_file_or_repository_is_a_source(stage, words):
    path = evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    (stage.project / "r.txt").write_text(f"good\n-f {path.parent}\nevil\n")
    stage.policy(WARN)
    before = everything(stage)
    said = [word.replace("D", str(path.parent)) if "file://D" in word else word for word in words]
    tool = PIP if FORMS.index(words) % 2 else UV  # how each tool reads them is held by tests of the plans
    stopped(stage, stage.run(*tool, *said), *((77,) if "git+" in words[0] else (64, 78)), before=before)
    assert stage.index.requests == []


def test_plain_pip_takes_a_folder_from_a_file(stage):
    path = evil_sdist(stage)
    (stage.project / "r.txt").write_text(f"-f {path.parent}\nevil\n")
    assert plain(stage, PIP, "-r", "r.txt") == 0
    assert stage.marker.exists()


@pytest.mark.parametrize(
    "words", [["install", "good"], ["sync", "r.txt"], ["install", "--group", "fine"]], ids=" ".join
)
@pytest.mark.parametrize("place", ["pyproject.toml", "uv.toml"])
def test_nor_by_the_groups_that_a_project_tells_uv_to_add(stage, words, place):
    path = evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    stage.policy()
    (stage.project / "r.txt").write_text("good\n")
    groups = f'[dependency-groups]\nfine = ["good"]\ndev = ["evil @ {path.as_uri()}"]\n'
    table = "pip" if place == "uv.toml" else "tool.uv.pip"
    (stage.project / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n' + groups)
    with (stage.project / place).open("a") as file:
        file.write(f'[{table}]\ngroup = ["dev"]\n')
    before = everything(stage)
    stopped(stage, stage.run("openvet-uv", "pip", *words), 78, before=before)


@pytest.mark.parametrize(
    "text",
    [
        '[tool.uv.sources]\nevil = { path = "../d/evil-1.0.tar.gz" }\n',
        '[[tool.uv.index]]\nurl = "../d"\nformat = "flat"\n',
        '[tool.uv]\noverride-dependencies = ["good @ file:///d/evil-1.0.tar.gz"]\n',
        '[tool.uv.workspace]\nmembers = ["../d"]\n[tool.uv.sources]\nevil = { workspace = true }\n',
    ],
    ids=["sources", "flat", "override", "workspace"],
)
def test_nor_by_what_a_project_says_to_uv(stage, text):
    evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    stage.policy(WARN)
    (stage.project / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n' + text)
    before = everything(stage)
    stopped(stage, stage.run(*UV, "evil"), 1, 77, 78, before=before)


DISGUISED = {
    PIP: [
        ["--prox", ""], ["--proxy="], ["--trusted", "h"], ["--find-l", "d"], ["--isol"],
        ["--no-proxy"], ["--cache-d", "d"], ["--use-dep", "x"], ["--targ", "d"], ["--no-build-is"],
        ["--pref", "d"], ["--roo", "d"], ["--us"], ["--sr", "d"], ["-ed"], ["-cd"], ["--build-c", "d"],
        ["--requirements-from-script", "d"], ["--group", "d"],
    ],
    UV: [
        ["--allow-insecure-hos", "h"], ["--trusted-hosts", "h"], ["--no-verify-hashes"], ["--cache-dir", "d"],
        ["-fd"], ["-qfd"], ["--no-build-isol"], ["--targ", "d"], ["--pref", "d"],
        ["--no-config-file"], ["--preview"], ["-ed"], ["-cd"], ["-bd"], ["--overrides", "d"],
        ["--build-constraints", "d"], ["--group", "d"], ["--torch-backen", "x"],
    ],
}  # fmt: skip


@BOTH
def test_flags_in_disguise(stage, tool):
    stage.wheel("evil", "1.0")
    stage.policy(WARN)
    before = everything(stage)
    from openvet_install.errors import UsageError
    from openvet_install.installers import pip, uv

    # Understood without a process each; two of them as whole commands below.
    plan = (pip if tool is PIP else uv).plan
    for words in DISGUISED[tool]:
        with pytest.raises(UsageError):
            plan([*tool[1:], *words, "evil"], stage.variables, str(stage.project))
    for words in DISGUISED[tool][:2]:
        stopped(stage, stage.run(*tool, *words, "evil"), 64, before=before)
    assert stage.index.requests == []


@pytest.mark.parametrize(("tool", "how"), [(PIP, "flag"), (UV, "variable"), (PIP, "link"), (UV, "link")])
def test_our_own_environment_is_no_target(stage, tool, how):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    link = stage.folder / "link"
    link.symlink_to(sys.prefix)
    python = {"flag": sys.executable, "variable": sys.prefix, "link": str(link / "bin/python")}[how]
    before = everything(stage)
    if how == "variable":
        ended = stage.run(*tool, "good", env={"VIRTUAL_ENV": python})
    else:
        ended = stage.run(*tool, "--python", python, "good")
    stopped(stage, ended, 64, before=before)
    assert stage.index.requests == []


def test_a_uv_of_the_target_or_project_is_never_started(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    script = f"#!/bin/sh\necho evil > {stage.marker}\n"
    for folder in (stage.environment / "bin", stage.project / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "uv").write_text(script)
        (folder / "uv").chmod(0o755)
    path = f"{stage.project}/bin:{stage.environment}/bin:{os.environ['PATH']}"
    for words in (UV, ("openvet-uv", "pip", "list"), ("openvet-uv", "--version")):
        ended = stage.run(*words, *(["good"] if words is UV else []), env={"PATH": path})
        assert ended.code == 0, ended.err
        assert not stage.marker.exists()


@BOTH
def test_no_helper_of_the_target_or_project_is_started(stage, tool):
    # An index that asks for a login makes both tools look for `keyring`.
    stage.wheel("good", "1.0", YES)
    stage.policy()
    stage.index.lies.login = ("user", "word")
    script = f"#!/bin/sh\necho evil > {stage.marker}\n"
    for folder in (stage.environment / "bin", stage.project / "bin"):
        folder.mkdir(exist_ok=True)
        for name in ("keyring", "git", "hg", "rustc", "lsb_release"):
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
    before = everything(stage)
    path = f"bin:{stage.project}/bin::{stage.environment}/bin:{os.environ['PATH']}"
    url = stage.index.simple_url.replace("://", "://user@")
    env = {"PATH": path, "PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url}
    for more in ([], ["--keyring-provider", "subprocess"]):
        ended = stage.run(*tool, *more, "good", env=env)
        assert ended.code != 0
        stopped(stage, ended, ended.code, before=before)


def test_builds_find_the_compiler_of_the_project(stage):
    """pip asks the same program for its version, which only indexes would hear."""
    compiler = stage.project / "bin" / "rustc"
    compiler.parent.mkdir()
    compiler.write_text(f'#!/bin/sh\necho "$@" >> {stage.folder}/asked\n')
    compiler.chmod(0o755)
    code = "import subprocess; subprocess.run(['rustc', '-vV', 'a b'], check=True)"
    stage.sdist("good", "1.0", YES, backend=backend(stage, "good", "1.0", code))
    stage.policy()
    ended = stage.run(*PIP, "good", env={"PATH": f"{compiler.parent}:{os.environ['PATH']}"})
    assert ended.code == 0, ended.err
    assert (stage.folder / "asked").read_text() == "-vV a b\n"


def test_an_approved_wheel_brings_no_uv_pip_or_python(stage):
    for name in ("uv", "python3", "pip", "openvet-uv"):
        for kind in ("script", "entry"):
            package = f"p{name}{kind}".replace("-", "")
            options = (
                {"entry_points": {name: "m:f"}}
                if kind == "entry"
                else {"files": {f"{package}-1.0.data/scripts/{name}": "#!/bin/sh\n"}}
            )
            stage.wheel(package, "1.0", YES, **options)
            stage.policy(WARN)
    before = everything(stage)
    for name in ("puvscript", "ppython3entry", "popenvetuventry"):
        stopped(stage, stage.run(*PIP, name), 65, before=before)


def test_what_passes_installs_nothing(stage):
    stage.wheel("evil", "1.0")
    stage.sdist("source", "1.0")
    stage.policy(WARN)
    before = everything(stage)
    refused = [
        ("openvet-pip", "list", "--outdated"),
        ("openvet-pip", "list", "--outd"), ("openvet-pip", "inst", "evil"), ("openvet-pip", "--", "install", "evil"),
        ("openvet-uv", "publish"), ("openvet-uv", "workspace", "metadata"),
        ("openvet-uv", "pip", "list", "--outdated"), ("openvet-uv", "--", "pip", "install", "evil"),
        ("openvet-uv", "self", "update"), ("openvet-uv", "python", "install", "3.12"),
    ]  # fmt: skip
    from openvet_install.errors import UsageError
    from openvet_install.installers.passing import classify

    for command in refused:
        with pytest.raises(UsageError):
            classify(command[0].removeprefix("openvet-"), command[1:])
    for command in refused[:2] + refused[4:6]:
        stopped(stage, stage.run(*command), 64, before=before)
    assert stage.index.requests == []


@BOTH
def test_a_dry_run_runs_nothing_of_an_unapproved_sdist(stage, tool):
    stage.sdist("source", "1.0")
    stage.policy()
    before = everything(stage)
    stopped(stage, stage.run(*tool, "--dry-run", "source"), 77, before=before)


SCRIPT = (
    "#!/usr/bin/env python3\n# /// script\n# requires-python = '>={}'\n# dependencies = ['{}']\n# ///\nimport evil\n"
)


@pytest.mark.parametrize(
    ("python", "asked", "code"),
    [
        ("3.9", "good", 0),
        ("3.9", "evil", 77),
        ("3.9", "evil @ file://EVIL", 64),
        ("3.9", "./EVIL", 64),
        ("9", "good", 1),
    ],
)
def test_what_a_script_asks_pip_for(stage, python, asked, code):
    stage.wheel("good", "1.0", YES)
    stage.wheel("evil", "1.0")
    stage.policy()
    path = evil_sdist(stage)
    (stage.project / "s.py").write_text(SCRIPT.format(python, asked.replace("EVIL", str(path))))
    before = everything(stage)
    ended = stage.run(*PIP, "--requirements-from-script", "s.py")
    if code:
        stopped(stage, ended, code, before=before)
    else:
        assert (ended.code, ended.ours) == (0, []), ended.err
        assert stage.installed == {"good": "1.0"}
    (stage.project / "s.py").write_text("import evil\n")
    assert stage.run(*PIP, "--requirements-from-script", "s.py").code == 64


def test_isolated_leaves_out_what_the_user_has_set_and_nothing_of_the_gate(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("evil", "1.0")
    stage.policy()
    path = stage.folder / "config/pip/pip.conf"
    path.parent.mkdir(parents=True)
    path.write_text("[global]\nindex-url = http://127.0.0.1:9/simple\n[install]\ntarget = elsewhere\n")
    env = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_REQUIREMENT": "none.txt", "PIP_NO_INDEX": "1"}
    before = everything(stage)
    for words in (("--isolated", "install"), ("install", "--isolated")):
        ended = stage.run("openvet-pip", *words, "-i", stage.index.simple_url, "evil", env=env)
        stopped(stage, ended, 77, before=before)
    ended = stage.run(*PIP, "--isolated", "-i", stage.index.simple_url, "good", env=env)
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert stage.installed == {"good": "1.0"}


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x1c", "\x85", "\u2028"], ids=ascii)
@BOTH
def test_a_group_that_would_be_more_lines_in_a_file(stage, tool, end):
    path = evil_sdist(stage)
    stage.wheel("good", "1.0", YES)
    stage.policy()
    line = f"good ; os_name != 'a\" #{end}{path}{end}#'"
    text = f'[project]\nname = "mine"\nversion = "1"\n[dependency-groups]\ndev = [{json.dumps(line)}]\n'
    (stage.project / "pyproject.toml").write_text(text)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "--group", "dev"), 64, before=before)


@pytest.mark.parametrize("words", [["-fd"], ["-qqf", "d"]], ids=" ".join)
def test_a_folder_by_a_flag_in_disguise_is_judged(stage, words):
    """Where nothing is at the place, pip goes on without it; where an archive is, nobody may have audited it."""
    evil_sdist(stage)
    stage.policy()
    before = everything(stage)
    words = [word.replace("d", str(stage.folder / "d")) if word in ("d", "-fd") else word for word in words]
    stopped(stage, stage.run(*PIP, *words, "evil"), 77, before=before)
