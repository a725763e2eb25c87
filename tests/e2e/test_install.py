"""The plainest commands, end to end: real pip and uv, a log and an index of the test's own."""

import importlib.util
import marshal
import re
import sys

import pytest

from tests.support.stage import BENIGN, NO, WARN, YES

PIP = ("openvet-pip", "install")
UV = ("openvet-uv", "pip", "install")
BOTH = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])


def withheld(ended):
    return {(one["subject"].partition("#")[0], one["reason"]) for one in ended.report["withheld"]}


@BOTH
def test_the_newest_approved_release_is_installed_and_the_newer_one_named(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("goodlib", "2.0")
    stage.policy()
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "1.0"}
    assert ended.ours[0].startswith("openvet: held back: goodlib 1.0, newest 2.0 is unaudited")
    assert ended.report["outcome"] == "allowed"
    assert ended.report["command"] == [tool[0].removeprefix("openvet-"), *tool[1:], "goodlib"]
    assert [one["subject"].partition("#")[0] for one in ended.report["files"]] == ["pypi:goodlib@1.0?py3-none-any"]
    assert withheld(ended) == {("pypi:goodlib@2.0?py3-none-any", "unaudited")}
    assert stage.leftovers == []


@BOTH
def test_silence_when_all_is_well(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    ended = stage.run(*tool, "goodlib")
    assert (ended.code, ended.ours) == (0, [])


@BOTH
@pytest.mark.parametrize(
    ("claims", "reason"), [(None, "unaudited"), (NO, "contradicted"), ({"uses-network": True}, "not-asserted")]
)
def test_what_is_not_approved_is_blocked_in_words(stage, tool, claims, reason):
    stage.wheel("evil", "1.0", claims)
    stage.policy()
    ended = stage.run(*tool, "evil")
    assert ended.code == 77
    assert stage.installed == {}
    name = "uv" if tool is UV else "pip"
    assert ended.ours[0] == f"openvet: blocked, nothing installed; {name} was shown no file of evil"
    assert ended.ours[1].split() == ["✘", "pypi:evil@1.0?py3-none-any", reason, "command", "line"]
    assert ended.ours[-1].startswith("hint: ")
    assert ended.report["outcome"] == "blocked"
    assert ended.report["tool"]["exit"] != 0
    assert withheld(ended) == {("pypi:evil@1.0?py3-none-any", reason)}


@BOTH
def test_an_unapproved_dependency_stops_the_whole(stage, tool):
    stage.wheel("app", "1.0", YES, requires=["dep>=2"])
    stage.wheel("dep", "1.0", YES)
    stage.wheel("dep", "2.1")
    stage.wheel("dep", "2.0")
    stage.policy()
    ended = stage.run(*tool, "app")
    assert ended.code == 77
    assert stage.installed == {}
    assert "was not shown dep 2.0 to 2.1 (2 releases)" in ended.ours[0]
    assert ended.ours[1].endswith("app 1.0 → dep>=2")
    assert ended.ours[2] == "└─ no matching audit    asked alice; newest approved 1.0"
    (newest, _older) = ended.report["withheld"]
    assert newest["requested_by"] == ["command line", "app==1.0: dep>=2"]


@BOTH
def test_only_the_releases_that_were_asked_for_are_counted(stage, tool):
    for version in ("1.0", "1.5", "2.0rc1", "2.0", "3.0"):
        stage.wheel("goodlib", version, YES if version == "3.0" else None)
    stage.policy()
    ended = stage.run(*tool, "goodlib>=1.2,<3")
    assert ended.code == 77
    assert "was not shown goodlib 1.5 to 2.0 (2 releases)" in ended.ours[0]
    assert ended.ours[1].startswith("✘ pypi:goodlib@2.0?")
    assert ended.ours[3] == "1 older release fits: 1.5 unaudited"
    assert len(ended.report["withheld"]) == 4


@BOTH
def test_a_name_that_no_index_knows_is_the_tools_own_failure(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("goodlib", "2.0")
    stage.policy()
    ended = stage.run(*tool, "goodlib", "nobody-has-this")
    assert ended.code == (1 if tool is PIP or tool is UV else 0)
    assert ended.ours == []
    assert ended.report["outcome"] == "failed"


@BOTH
def test_an_exact_pin_to_an_unapproved_release_is_blocked(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("goodlib", "2.0")
    stage.policy()
    ended = stage.run(*tool, "goodlib==2.0")
    assert ended.code == 77
    assert "was not shown goodlib 2.0" in ended.ours[0]


@BOTH
def test_warn_passes_silence_and_tells_it(stage, tool):
    stage.wheel("app", "1.0", YES, requires=["dep"])
    stage.wheel("dep", "1.0")
    stage.policy(WARN)
    ended = stage.run(*tool, "app")
    assert ended.code == 0, ended.err
    assert stage.installed == {"app": "1.0", "dep": "1.0"}
    assert ended.ours[0] == 'openvet: warned, 1 of 2 packages is not approved (mode = "warn", openvet.toml:9)'
    assert ended.ours[1].split() == ["!", "pypi:dep@1.0?py3-none-any", "unaudited", "app", "1.0", "→", "dep"]
    assert ended.ours[2] == 'mode = "block" would withhold it; newest approved: dep none'
    assert ended.report["outcome"] == "warned"


@BOTH
@pytest.mark.parametrize("how", ["file", "option", "variable"])
def test_warn_never_passes_a_no(stage, tool, how):
    stage.wheel("evil", "1.0", NO)
    stage.policy(WARN if how == "file" else BENIGN)
    more = ["--openvet-mode=warn"] if how == "option" else []
    env = {"OPENVET_INSTALL_MODE": "warn"} if how == "variable" else {}
    ended = stage.run(*tool, "evil", *more, env=env)
    assert ended.code == 77
    assert ended.ours[0] == 'openvet: blocked, nothing installed; mode = "warn" does not forgive a no'
    assert stage.installed == {}
    assert ended.report["environment"] == (["OPENVET_INSTALL_MODE"] if how == "variable" else [])


@BOTH
def test_record_tells_reports_only(stage, tool):
    stage.wheel("dep", "1.0")
    stage.policy()
    ended = stage.run(*tool, "dep", "--openvet-mode=record")
    assert (ended.code, ended.ours) == (0, [])
    assert ended.report["outcome"] == "warned"
    assert stage.installed == {"dep": "1.0"}


@BOTH
def test_an_audited_sdist_is_built_with_gated_requirements(stage, tool):
    stage.wheel("backend-help", "1.0", YES)
    stage.sdist("fromsource", "1.0", YES, build_requires=["backend-help"])
    stage.policy()
    ended = stage.run(*tool, "fromsource")
    assert ended.code == 0, ended.err
    assert stage.installed == {"fromsource": "1.0"}
    assert "build_wheel" in stage.marker.read_text()
    used = {one["filename"] for one in ended.report["files"]}
    assert used == {"fromsource-1.0.tar.gz", "backend_help-1.0-py3-none-any.whl"}


@BOTH
def test_an_unaudited_build_requirement_stops_the_build_before_any_hook(stage, tool):
    stage.wheel("backend-help", "1.0")
    stage.sdist("fromsource", "1.0", YES, build_requires=["backend-help"])
    stage.policy()
    ended = stage.run(*tool, "fromsource")
    assert ended.code == 77
    assert stage.installed == {}
    assert not stage.marker.exists()
    assert ("pypi:backend-help@1.0?py3-none-any", "unaudited") in withheld(ended)
    assert "fromsource 1.0 → backend-help" in "\n".join(ended.ours)


@BOTH
def test_code_of_an_unaudited_sdist_never_runs(stage, tool):
    stage.sdist("fromsource", "1.0")
    stage.policy()
    ended = stage.run(*tool, "fromsource")
    assert ended.code == 77
    assert not stage.marker.exists()


@BOTH
def test_a_requirements_file_is_read_with_its_markers_hashes_and_comments(stage, tool):
    digest = stage.wheel("goodlib", "1.0", YES)
    stage.wheel("other", "1.0", YES)
    stage.wheel("win", "1.0", YES)
    stage.policy()
    (stage.project / "req.txt").write_text(
        f"# ours\ngoodlib==1.0 \\\n    --hash=sha256:{digest}  # pinned\n"
    )  # fmt: skip
    (stage.project / "more.txt").write_text('other>=1  # why\nwin; sys_platform == "win32"\n')
    assert stage.run(*tool, "-r", "req.txt").code == 0
    assert stage.run(*tool, "-r", "more.txt").code == 0
    assert stage.installed == {"goodlib": "1.0", "other": "1.0"}


@BOTH
def test_any_other_line_of_a_requirements_file_is_64_with_its_place(stage, tool):
    stage.policy()
    (stage.project / "req.txt").write_text("goodlib\n--trusted-host host.example\n--use-feature fast-deps\n")
    ended = stage.run(*tool, "-r", "req.txt")
    assert ended.code == 64
    assert "req.txt:2" in ended.err
    assert "req.txt:3" in ended.err
    assert stage.index.requests == []


@BOTH
def test_a_second_run_with_warm_stores_installs_the_same(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    assert stage.run(*tool, "goodlib").code == 0
    again = stage.run(*tool, "--force-reinstall" if tool is PIP else "--reinstall", "goodlib")
    assert (again.code, again.ours) == (0, []), again.err
    assert stage.installed == {"goodlib": "1.0"}


@BOTH
def test_what_is_installed_already_is_counted_and_left_alone(stage, tool):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    stage.run(*tool, "goodlib")
    ended = stage.run(*tool, "goodlib")
    assert (ended.code, ended.ours) == (0, [])
    assert ended.report["preinstalled"] == 1
    assert ended.report["files"] == []


@BOTH
def test_without_any_policy_it_stops_and_says_how_to_start(stage, tool):
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 78
    assert ended.err.splitlines() == [
        "error: no policy: no openvet.toml from here to the repository root, none for user or machine",
        "hint: openvet-install init --log URL",
    ]
    assert stage.index.requests == []


@BOTH
def test_a_withdrawn_approval_stops_the_install_at_once(stage, tool):
    digest = stage.wheel("goodlib", "1.0", YES)
    stage.policy(BENIGN + 'check-every = "0s"\n')
    assert stage.run(*tool, "goodlib").code == 0
    stage.log.withdraw(subject("goodlib", "1.0", digest))
    flag = "--force-reinstall" if tool is PIP else "--reinstall"
    ended = stage.run(*tool, flag, "goodlib")
    assert ended.code == 77
    assert withheld(ended) == {("pypi:goodlib@1.0?py3-none-any", "withdrawn")}


@BOTH
def test_good_news_waits_for_the_pin(stage, tool):
    digest = stage.wheel("goodlib", "1.0")
    stage.policy(BENIGN + 'check-every = "0s"\n')
    stage.log.publish("goodlib", "1.0", variant="py3-none-any", sha256=digest, claims=YES)
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 77
    assert "newer than the pin" in ended.err
    assert stage.run("openvet-install", "update").code == 0
    assert stage.run(*tool, "goodlib").code == 0


def subject(name, version, digest):
    from openvet_install.openvet.subject import Subject

    return Subject.parse(f"pypi:{name}@{version}?py3-none-any#sha256:{digest}")


@BOTH
def test_a_wheel_that_brings_bytecode_which_pip_makes_anew(stage, tool):
    tag = sys.implementation.cache_tag
    old = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile("A = 1\n", "elsewhere.py", "exec"))
    stage.wheel("good", "1.0", YES, files={"good/a.py": "A = 1\n", f"good/__pycache__/a.{tag}.pyc": old})
    stage.policy()
    ended = stage.run(*tool, "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert stage.run("openvet-install", "check", "--environment").code == 0
    (bytecode,) = stage.environment.glob("lib/python*/site-packages/good/__pycache__/a.*.pyc")
    bytecode.write_bytes(old[:16] + marshal.dumps(compile("A = 2\n", "elsewhere.py", "exec")))
    assert stage.run("openvet-install", "check", "--environment").code == 65


@BOTH
@pytest.mark.parametrize(
    ("members", "command", "place"),
    [
        ({"tests/__init__.py": "WHOSE = %r\n"}, None, "tests/__init__.py"),
        ({}, "tool", "bin/tool"),
    ],
)
def test_two_approved_packages_with_one_file_of_other_bytes(stage, tool, members, command, place):
    """One place cannot hold both: said is whose file it is, too."""
    for name in ("one", "two"):
        files = {f"{name}.py": "def main(): pass\n"} | {path: text % name for path, text in members.items()}
        points = {command: f"{name}:main"} if command else None
        stage.wheel(name, "1.0", YES, files=files, entry_points=points)
    stage.policy()
    ended = stage.run(*tool, "one", "two")
    assert ended.code == 65, ended.err
    assert sum(line.startswith("✘") for line in ended.ours) == 1
    said = " ".join(" ".join(ended.ours).split())
    assert re.search(rf"{place}` is a file of (one|two) 1\.0 too, with other bytes; it was moved away", said)
    assert len(stage.installed) == 1
    assert stage.run("openvet-install", "check", "--environment").code == 0


@pytest.mark.parametrize(
    ("variable", "installed"),
    [("PIP_DRY_RUN", {}), ("PIP_NO_DEPS", {"one": "1.0"}), ("PIP_ONLY_DEPS", {"two": "1.0"})],
)
def test_a_variable_of_pip_is_that_flag(stage, variable, installed):
    """What is typed may be said by a variable: pip would not install what it is told not to."""
    stage.wheel("one", "1.0", YES, requires=["two"])
    stage.wheel("two", "1.0", YES)
    stage.policy()
    ended = stage.run(*PIP, "one", env={variable: "1"})
    assert ended.code == 0, ended.err
    assert "no effect" not in ended.err
    assert stage.installed == installed


def test_what_is_approved_in_the_other_kind_alone_is_blocked_in_words(stage):
    pinned = stage.wheel("half", "1.0")
    stage.sdist("half", "1.0", YES)
    stage.wheel("other", "1.0", YES)
    stage.sdist("other", "1.0")
    stage.policy()
    wheel, sdist = "pypi:half@1.0?py3-none-any", "pypi:other@1.0?sdist"
    (stage.project / "r.txt").write_text("--no-binary other\nother\n")
    (stage.project / "pins.txt").write_text(f"half==1.0 --hash=sha256:{pinned}\n")
    asked = [
        (PIP, ("--only-binary=:all:", "half"), {}, wheel),
        (PIP, ("half",), {"PIP_ONLY_BINARY": "half"}, wheel),
        (PIP, ("-r", "r.txt"), {}, sdist),
        (PIP, ("-r", "pins.txt"), {}, wheel),
        (UV, ("--no-build", "half"), {}, wheel),
        (UV, ("-r", "r.txt"), {}, sdist),
        (UV, ("-r", "pins.txt"), {}, wheel),
    ]
    for tool, words, variables, subject in asked:
        ended = stage.run(*tool, *words, env=variables)
        assert ended.code == 77, (tool, words, ended.err)
        assert withheld(ended) == {(subject, "unaudited")}
    assert not stage.marker.exists()
    for tool in (PIP, UV):  # another reason to fail
        assert stage.run(*tool, "half", "other", "nosuch").code == 1
    (stage.project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["half"]\n'
        "[tool.uv]\nno-build = true\n"
    )
    assert stage.run("openvet-uv", "lock").code == 77
    assert stage.installed == {}
