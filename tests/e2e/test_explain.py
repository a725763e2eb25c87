"""`explain`: the whole tree of a release or file, ending as an install of it would."""

import json

import pytest

from tests.support.stage import NO, WARN, YES

SBOM = json.dumps({"spdxVersion": "SPDX-2.3", "packages": [{}, {}, {}]})


def explained(stage, what, *more):
    return stage.run("openvet-install", "explain", what, *more)


def test_the_tree_names_who_said_what_and_what_is_inside(stage):
    files = {"goodlib.py": "", "goodlib-1.0.dist-info/sboms/build.spdx.json": SBOM}
    digest = stage.wheel("goodlib", "1.0", YES, files=files)
    stage.policy()
    assert "sbom" not in explained(stage, "goodlib").out
    assert stage.run("openvet-pip", "install", "goodlib").code == 0
    ended = explained(stage, "goodlib")
    lines = ended.out.splitlines()
    assert ended.code == 0, ended.err
    assert lines[0] == f"✓ pypi:goodlib@1.0?py3-none-any#sha256:{digest[:12]}…    approved"
    assert lines[1].startswith("├─ file: goodlib-1.0-py3-none-any.whl, ")
    assert lines[2] == "├─ benign: ✓ pass"
    assert lines[3].startswith("│  └─ from alice: ✓ true    audit ")
    assert ", by SHA256:" in lines[3]
    assert lines[4] == "│     └─ is-benign → true"
    assert "├─ sbom: goodlib-1.0.dist-info/sboms/build.spdx.json, SPDX 2.3, 3 packages" in lines
    assert lines[-1] == "└─ policies: project ✓; not in the baseline, no exemption"


@pytest.mark.parametrize(
    "form", ["bad", "bad==1.0", "pypi:bad@1.0?py3-none-any", "pypi:bad@1.0?py3-none-any#sha256:{}"]
)
def test_every_way_to_name_a_file_ends_as_an_install_would(stage, form):
    digest = stage.wheel("bad", "1.0", NO)
    stage.policy(WARN)
    ended = explained(stage, form.format(digest))
    assert ended.code == 77
    assert "├─ benign: ✘ contradicted" in ended.out
    assert "└─ policies: project ✘; not in the baseline, no exemption" in ended.out
    assert "an exemption does not lift it" in ended.out


@pytest.mark.parametrize("what", ["bad>=1", "bad[x]==1", "pypi:bad", "pypi:bad@1#sha256:zz", "bad==x", "npm:bad@1", ""])
def test_what_names_no_release_is_64(stage, what):
    stage.policy()
    assert explained(stage, what).code == 64


def test_baseline_and_exemption_are_told_with_their_place(stage):
    stage.wheel("silent", "1.0")
    stage.policy()
    stage.run("openvet-install", "exempt", "silent==1.0", "--until", "14d", "--reason", "r", "--owner", "o")
    ended = explained(stage, "silent")
    assert ended.code == 0
    assert "├─ exempt: until " in ended.out
    assert ended.out.splitlines()[-1] == "hint: openvet audit new 'pypi:silent@1.0?py3-none-any'"


def test_a_damaged_sbom_is_told_and_decides_nothing(stage):
    files = {
        "goodlib.py": "",
        "goodlib-1.0.dist-info/sboms/a.json": "{" * 100,
        "goodlib-1.0.dist-info/sboms/b": "\x1b[2J",
    }
    stage.wheel("goodlib", "1.0", YES, files=files)
    stage.policy()
    stage.run("openvet-pip", "install", "goodlib")
    ended = explained(stage, "goodlib")
    assert ended.code == 0
    assert "sboms/a.json, unknown" in ended.out
    assert "\x1b" not in ended.out


def test_reports_tell_what_explain_tells(stage):
    """A wheel with an SBOM, one without, and an sdist into which nobody looks."""
    cyclone = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}]})
    files = {
        "goodlib.py": "",
        "goodlib-1.0.dist-info/sboms/a.json": SBOM,
        "goodlib-1.0.dist-info/sboms/b.json": cyclone,
    }
    stage.wheel("goodlib", "1.0", YES, files=files)
    stage.wheel("plain", "1.0", YES, files={"plain/x-1.0.dist-info/sboms/of-another.json": SBOM, "plain.py": ""})
    stage.policy()
    ended = stage.run("openvet-uv", "pip", "install", "goodlib", "plain")
    assert {one["filename"].partition("-")[0]: one["sboms"] for one in ended.report["files"]} == {
        "goodlib": [
            {"path": "goodlib-1.0.dist-info/sboms/a.json", "kind": "SPDX 2.3", "packages": 3},
            {"path": "goodlib-1.0.dist-info/sboms/b.json", "kind": "CycloneDX 1.6", "packages": 1},
        ],
        "plain": [],
    }
    for one in (stage.folder / "cache" / "openvet-install" / "files").rglob("*"):
        if one.is_file():
            one.unlink()
    (stage.project / "requirements.txt").write_text(
        "".join(f"{one['purl'][9:].replace('@', '==')} --hash={one['subject'].partition('#')[2]}\n"
                for one in ended.report["files"])
    )  # fmt: skip
    told = json.loads(stage.run("openvet-install", "check", "requirements.txt", "--report=json").out)
    assert [one["sboms"] for one in told["files"]] == [None, None]
