"""`check --environment` with environments that the real tools filled, and `check` of hashed requirements."""

import json
import subprocess
from datetime import datetime, timezone

import pytest

from openvet_install.openvet.subject import Subject
from tests.support.stage import BENIGN, NO, PROGRAMS, WARN, YES, validator


def site(stage):
    (found,) = stage.environment.glob("lib/python*/site-packages")
    return found


def plain_install(stage, *names, tool="uv"):
    """Install without a gate, as somebody did before there was one."""
    variables = {**stage.variables, "UV_LINK_MODE": "copy"}
    commands = {
        "uv": [str(PROGRAMS / "uv"), "pip", "install", "-q", "--no-cache", *names],
        "pip": [str(PROGRAMS / "pip"), "--python", str(stage.environment), "install", "-q", *names],
    }
    subprocess.run(commands[tool], env=variables, cwd=stage.project, check=True)


def checked(stage, *more):
    ended = stage.run("openvet-install", "check", "--environment", "--report=json:r.json", *more)
    validator().validate(json.loads((stage.project / "r.json").read_text()))
    return ended


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_is_as_approved_passes(stage, tool):
    files = {"goodlib/__init__.py": "", "goodlib-1.0.data/scripts/tool.py": "#!python\n1\n"}
    stage.wheel("goodlib", "1.0", YES, files=files, entry_points={"good": "goodlib:main"})
    stage.policy()
    plain_install(stage, "goodlib", tool=tool)
    ended = checked(stage)
    assert (ended.code, ended.out) == (0, ""), ended.err
    assert ended.err == "Summary: 1 passed, 0 failed, 0 unaudited, 0 skipped\n"


def test_what_was_changed_added_withdrawn_or_never_approved_is_told(stage):
    for name in ("goodlib", "changed", "grown"):
        stage.wheel(name, "1.0", YES)
    gone = stage.wheel("gone", "1.0", YES)
    stage.wheel("silent", "1.0")
    stage.wheel("bad", "1.0", NO)
    plain_install(stage, "goodlib", "changed", "grown", "gone", "silent", "bad")
    stage.policy()
    stage.log.withdraw(Subject.parse(f"pypi:gone@1.0?py3-none-any#sha256:{gone}"))
    (site(stage) / "changed.py").write_text("evil = 1\n")
    record = site(stage) / "changed-1.0.dist-info" / "RECORD"
    record.write_text("".join(one for one in record.read_text().splitlines(keepends=True) if "changed.py" not in one))
    (site(stage) / "more.py").write_text("evil = 1\n")
    (site(stage) / "zz_hook.pth").write_text("import os\n")
    ended = checked(stage)
    rows = [line.split("    ") for line in ended.out.splitlines()]
    found = {row[0].strip(): [part.strip() for part in row[1:] if part.strip()] for row in rows}
    assert ended.code == 65, ended.err
    assert found["✘ changed 1.0"] == ["hash-mismatch", "changed.py is not the approved one (1 of 4)"]
    assert found["✘ gone 1.0"][0] == "withdrawn"
    assert found["✘ bad 1.0"][0] == "contradicted"
    assert found["✘ silent 1.0"][0] == "unaudited"
    assert found["✘ zz_hook.pth"] == ["unaudited", "belongs to no package, runs at every start of Python"]
    assert found["✘ more.py"] == ["unaudited", "belongs to no package"]
    assert "✘ goodlib 1.0" not in found
    assert ended.err.splitlines()[-1].endswith(" 0 skipped")
    unexpected = json.loads((stage.project / "r.json").read_text())["unexpected"]
    assert [one["name"] for one in unexpected] == ["more.py", "zz_hook.pth"]


def test_strays_alone_are_77_and_a_blocked_release_too(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    plain_install(stage, "goodlib")
    (site(stage) / "sitecustomize.py").write_text("1\n")
    ended = checked(stage)
    assert ended.code == 77
    assert ended.out == "✘ sitecustomize.py    unaudited    belongs to no package, runs at every start of Python\n"


def test_another_file_under_an_approved_name_is_not_the_approved_one(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    plain_install(stage, "goodlib")
    (site(stage) / "goodlib.py").write_text("print('look-alike')\n")
    ended = checked(stage)
    assert ended.code == 65
    assert ended.out.startswith("✘ goodlib 1.0    hash-mismatch    goodlib.py is not")


def test_warn_mode_passes_silence_but_not_a_change(stage):
    stage.wheel("silent", "1.0")
    stage.policy(WARN)
    plain_install(stage, "silent")
    assert checked(stage).code == 0
    (site(stage) / "silent.py").write_text("evil\n")
    assert checked(stage).code == 65


def test_a_local_project_is_skipped_and_a_foreign_folder_is_not(stage):
    stage.policy()
    for folder in (stage.project / "ours", stage.folder / "foreign"):
        (folder / folder.name).mkdir(parents=True)
        (folder / folder.name / "__init__.py").write_text("")
        info = site(stage) / f"{folder.name}-1.0.dist-info"
        info.mkdir()
        (folder / "pyproject.toml").write_text(f'[project]\nname = "{folder.name}"\nversion = "1.0"\n')
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {folder.name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{folder.name}-1.0.dist-info/METADATA,,\n{folder.name}-1.0.dist-info/RECORD,,\n"
                                     f"{folder.name}-1.0.dist-info/direct_url.json,,\n")  # fmt: skip
        (info / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    ended = checked(stage)
    assert ended.code == 77, ended.out
    assert ended.out.splitlines()[0].startswith("✘ foreign 1.0    unaudited")
    assert "ours" not in ended.out
    assert ended.err.splitlines()[-1] == "Summary: 0 passed, 0 failed, 1 unaudited, 1 skipped"


def test_an_index_that_is_away_leaves_it_undecided(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    plain_install(stage, "goodlib")
    ended = stage.run("openvet-install", "check", "--environment", env={"PIP_INDEX_URL": "http://127.0.0.1:9/simple"})
    assert ended.code == 69, ended.out


# -- hashed requirements


def hashed(stage, **lines):
    text = "".join(f"{name}==1.0 {' '.join(f'--hash=sha256:{one}' for one in each)}\n" for name, each in lines.items())
    (stage.project / "requirements.txt").write_text(text)


def test_hashed_requirements_beside_the_policy_are_found_and_judged(stage):
    good, other = stage.wheel("goodlib", "1.0", YES), stage.wheel("other", "1.0")
    bad = stage.wheel("bad", "1.0", NO)
    stage.policy()
    hashed(stage, goodlib=["ab" * 32, good], other=[other], bad=["cd" * 32, bad])
    ended = stage.run("openvet-install", "check")
    assert ended.code == 77, ended.err
    assert ended.out.splitlines()[0] == "✘ pypi:bad@1.0?py3-none-any    contradicted    requirements.txt:3"
    assert ended.out.splitlines()[-1] == "✘ pypi:other@1.0               unaudited       requirements.txt:2"
    assert ended.err == "Summary: 1 passed, 1 failed, 1 unaudited, 0 skipped\n"
    stage.policy(BENIGN + 'mode = "warn"\n')
    hashed(stage, goodlib=[good], other=[other])
    assert stage.run("openvet-install", "check", "requirements.txt").code == 0
    hashed(stage, goodlib=[good, bad])
    path = stage.project / "requirements.txt"
    path.write_text(path.read_text().replace(" --hash", " ; sys_platform ~= 'none' --hash", 1))  # uv passes it over
    assert stage.run("openvet-install", "check", "requirements.txt").code == 77


def test_what_an_index_says_of_hashed_requirements_counts(stage):
    """Of an exemption for an index, and of a cooldown."""
    good = stage.wheel("goodlib", "1.0")
    young = stage.wheel("young", "1.0", offered={"upload_time": datetime.now(timezone.utc).isoformat()})
    hashed(stage, goodlib=[good], young=[young])
    stage.policy(BENIGN + 'mode = "warn"\ncooldown = "7d"\n')
    ended = stage.run("openvet-install", "check")
    assert ended.code == 77
    assert "✘ pypi:young@1.0?py3-none-any      too-young    requirements.txt:2\n" in ended.out
    assert "goodlib@1.0?py3-none-any    unaudited" in ended.out
    stage.policy(
        f'{BENIGN}[[install.exempt]]\npackage = "goodlib"\nversion = "1.0"\nindex = "{stage.index.simple_url}"\n'
        f'owner = "me"\nreason = "ours"\nuntil = {datetime.now(timezone.utc).date()}\n'
    )
    hashed(stage, goodlib=[good])
    assert stage.run("openvet-install", "check").code == 0
    hashed(stage, goodlib=["ab" * 32])
    assert stage.run("openvet-install", "check").code == 77


def test_requirements_without_hashes_are_named(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    (stage.project / "requirements.txt").write_text("goodlib\nother==1.0\n")
    ended = stage.run("openvet-install", "check", "requirements.txt")
    assert ended.code == 64
    assert "error: `goodlib` has no exact version\n  --> requirements.txt:1\n" in ended.err
    assert "error: `other==1.0` has no hash\n  --> requirements.txt:2\n" in ended.err
    assert stage.run("openvet-install", "check").code == 64
    hashed(stage, goodlib=["ab" * 32])
    (stage.project / "requirements.txt").rename(stage.project / "more-requirements.txt")
    hashed(stage, goodlib=["ab" * 32], other=[])
    assert "not judged here: requirements.txt (no lock)\n" in stage.run("openvet-install", "check").err
    (stage.project / "requirements.txt").write_text(f"other @ {stage.index.simple_url}/o-1.whl#sha256={'ab' * 32}\n")
    (stage.project / "job.py.lock").write_text("version = 1\n")
    named = "requirements.txt (no lock), job.py.lock (of a script)"
    assert f"not judged here: {named}\n" in stage.run("openvet-install", "check").err


def test_the_marker_of_a_requirement_holds_for_the_target(stage):
    stage.policy()
    (stage.project / "requirements.txt").write_text(f'w==1.0; sys_platform == "win32" --hash=sha256:{"ab" * 32}\n')
    ended = stage.run("openvet-install", "check")
    assert ended.code == 0, ended.err
    assert ended.err.startswith("not judged here: w\n")
    assert stage.run("openvet-install", "check", "--all-files").code == 77


def test_a_file_of_venv_tools_that_does_more_is_told(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    plain_install(stage, "goodlib")
    pth = site(stage) / "_virtualenv.pth"
    pth.write_text("import _virtualenv")
    (site(stage) / "_virtualenv.py").write_text("")
    assert checked(stage).code == 0
    pth.write_text("import _virtualenv\nimport os; os.environ['EVIL'] = '1'\n")
    ended = checked(stage)
    assert ended.code == 77
    assert ended.out.startswith("✘ _virtualenv.pth    unaudited    belongs to no package, runs at every start")


def test_a_command_of_no_package_is_told(stage):
    stage.wheel("goodlib", "1.0", YES, entry_points={"good": "goodlib:main"})
    stage.policy()
    plain_install(stage, "goodlib")
    assert checked(stage).code == 0
    (stage.environment / "bin/pip").write_text("#!/bin/sh\n")
    ended = checked(stage)
    assert ended.code == 77
    assert ended.out == f"✘ {stage.environment}/bin/pip    unaudited    belongs to no package\n"


def test_packages_beside_the_environment_are_named(stage):
    stage.policy()
    config = stage.environment / "pyvenv.cfg"
    config.write_text(config.read_text().replace("site-packages = false", "site-packages = true"))
    ended = checked(stage)
    assert ended.code == 0
    assert "site-packages is on the path of that Python as well, and was not looked at" in ended.err


def test_what_was_built_is_named(stage):
    stage.sdist("built", "1.0", YES)
    stage.policy()
    plain_install(stage, "built")
    (site(stage) / "built.py").write_text("evil = 1\n")
    ended = checked(stage)
    assert ended.code == 0
    assert "built from sdists, so nothing to compare their files with: built 1.0" in ended.err
