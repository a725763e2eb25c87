"""Journey 12: who built a file, said in a block, by `explain`, of locks and environments, and to machines."""

import json

import pytest

from tests.attack.provenance.conftest import REPOSITORY, RULE, WORKFLOW, Supply
from tests.support.attestations import LOGGED, SigstoreSimulator, real
from tests.support.stage import BENIGN, WARN, YES


@pytest.fixture(scope="module")
def sigstore():
    return SigstoreSimulator()


@pytest.fixture
def supply(stage, sigstore):
    return Supply(stage, sigstore)


def releases(supply):
    supply.wheel("2.0.3")
    supply.wheel("2.0.4", repository="acme-fork/acme-sign")
    supply.wheel("2.1.0", document=b"")
    supply.policy()
    lines = (supply.stage.project / "openvet.toml").read_text().splitlines()
    return f"openvet.toml:{lines.index('[[install.publisher]]') + 1}"


def test_a_block_says_what_was_found_and_what_was_expected(supply):
    place = releases(supply)
    ended = supply.stage.run("openvet-pip", "install", "acme-sign>=2.0.4", "--openvet-report=sarif:r.sarif")
    assert ended.code == 77
    assert ended.ours[:5] == [
        "openvet: blocked, nothing installed; pip was not shown acme-sign 2.0.4 to 2.1.0 (2 releases)",
        "✘ pypi:acme-sign@2.1.0?py3-none-any    provenance-missing     command line",
        f"└─ provenance: ✘ none served; required by {place}; by the project's policy",
        "✘ pypi:acme-sign@2.0.4?py3-none-any    provenance-mismatch    command line",
        (
            "└─ provenance: ✘ GitHub acme-fork/acme-sign release.yml, expected acme-org/acme-sign release.yml"
            "; by the project's policy"
        ),
    ]
    found = {one["reason"]: one["provenance"] for one in ended.report["withheld"]}
    assert found["provenance-missing"]["publisher"] is None
    assert found["provenance-mismatch"]["publisher"]["repository"] == "acme-fork/acme-sign"
    assert found["provenance-mismatch"]["places"] == [place]
    results = json.loads((supply.stage.project / "r.sarif").read_text())["runs"][0]["results"]
    assert {one["ruleId"] for one in results} == {"provenance-missing", "provenance-mismatch"}
    assert "provenance: GitHub acme-fork" in json.dumps(results)


def test_explain_tells_who_when_and_what_it_does_not_prove(supply):
    releases(supply)
    explain = ("openvet-install", "explain")
    good = supply.stage.run(*explain, "acme-sign==2.0.3")
    assert good.code == 0, good.err
    lines = good.out.splitlines()
    first = lines.index(f"├─ provenance: ✓ GitHub {REPOSITORY} {WORKFLOW}, refs/tags/v1, {LOGGED.date()}")
    commit = "c0ffee" * 6 + "c0ff"
    run = f"https://github.com/{REPOSITORY}/actions/runs/7/attempts/1"
    assert lines[first + 1].startswith(f"│  ├─ commit {commit}, {run}, log entry ")
    assert lines[first + 1].endswith(" of 2026-06-02T10:11:12Z")
    assert lines[first + 2].startswith("│  └─ proves which run signed these bytes; not ")
    bad = supply.stage.run(*explain, "acme-sign==2.0.4")
    assert bad.code == 77
    assert "├─ provenance: ✘ GitHub acme-fork/acme-sign release.yml, expected acme-org" in bad.out
    assert "└─ policies: user ✓, project ✘" in bad.out
    missing = supply.stage.run(*explain, "acme-sign==2.1.0")
    assert "├─ provenance: ✘ none served; required by openvet.toml:" in missing.out


def test_explain_of_what_nobody_asks_about_looks_at_nothing(supply):
    supply.wheel()
    supply.policy("")
    ended = supply.stage.run("openvet-install", "explain", "acme-sign")
    assert "├─ provenance: ? served, not looked at" in ended.out
    assert supply.asked() == []


def lock_of(supply, *versions):
    """Write the lock that plain uv would write, for packages called acme-sign."""
    index = supply.stage.index
    blocks = []
    for version in versions:
        (entry,) = [one for name, one in index.entries.items() if f"-{version}-" in name]
        digest = index._hashes(entry)["sha256"]
        blocks.append(
            f'[[package]]\nname = "acme-sign"\nversion = "{version}"\nsource = {{ registry = "{index.simple_url}" }}\n'
            f'wheels = [\n    {{ url = "{index.file_url(entry.filename)}", hash = "sha256:{digest}" }},\n]\n'
        )
    project = (
        '[[package]]\nname = "project"\nversion = "0.1.0"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "acme-sign" }]\n\n'
        '[package.metadata]\nrequires-dist = [{ name = "acme-sign" }]\n'
    )
    text = 'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n\n' + "\n".join([*blocks, project])
    (supply.stage.project / "uv.lock").write_text(text)
    (supply.stage.project / "pyproject.toml").write_text(
        '[project]\nname = "project"\nversion = "0.1.0"\nrequires-python = ">=3.10"\ndependencies = ["acme-sign"]\n'
    )


def test_the_files_of_a_lock_are_held_to_their_publishers(supply):
    place = releases(supply)
    check = ("openvet-install", "check", "uv.lock")
    lock_of(supply, "2.0.3")
    good = supply.stage.run(*check)
    assert good.code == 0, good.out + good.err
    lock_of(supply, "2.0.4")
    bad = supply.stage.run(*check, "--report=json:r.json")
    assert bad.code == 77
    assert "provenance-mismatch    uv.lock:5" in bad.out
    assert "└─ provenance: ✘ GitHub acme-fork/acme-sign release.yml, expected" in bad.out
    report = json.loads((supply.stage.project / "r.json").read_text())
    assert report["withheld"][0]["provenance"]["status"] == "mismatch"
    lock_of(supply, "2.1.0")
    missing = supply.stage.run(*check, "--report=json:r.json")
    assert missing.code == 77
    report = json.loads((supply.stage.project / "r.json").read_text())
    assert report["withheld"][0]["detail"] == f"none served; required by {place}"


def test_sync_stops_before_uv_starts(supply):
    releases(supply)
    lock_of(supply, "2.0.4")
    sync = ("openvet-uv", "sync", "--frozen")
    ended = supply.stage.run(*sync)
    assert ended.code == 77, ended.err
    assert "blocked before uv started" in ended.err
    assert "provenance: ✘ GitHub acme-fork/acme-sign" in ended.err
    lock_of(supply, "2.0.3")
    ended = supply.stage.run(*sync)
    assert ended.code == 0, ended.err
    assert ended.report["files"][0]["provenance"]["status"] == "verified"


def test_an_environment_is_held_to_its_publishers(supply):
    supply.wheel("1.0", repository="acme-fork/acme-sign")
    supply.policy("")
    assert supply.stage.run("openvet-pip", "install", "acme-sign").code == 0
    check = ("openvet-install", "check", "--environment")
    assert supply.stage.run(*check).code == 0
    supply.policy()
    ended = supply.stage.run(*check)
    assert ended.code == 77
    assert "acme-sign 1.0" in ended.out
    assert "provenance-mismatch" in ended.out


def test_a_hashed_requirement_is_looked_up_where_pip_would(supply):
    releases(supply)
    index = supply.stage.index
    hashes = {version: index._hashes(index.entries[f"acme_sign-{version}-py3-none-any.whl"])["sha256"]
              for version in ("2.0.3", "2.0.4")}  # fmt: skip
    requirements = supply.stage.project / "requirements.txt"
    for version, code in (("2.0.3", 0), ("2.0.4", 77)):
        requirements.write_text(f"acme-sign=={version} --hash=sha256:{hashes[version]}\n")
        ended = supply.stage.run("openvet-install", "check", "requirements.txt")
        assert ended.code == code, ended.out + ended.err
        installed = supply.stage.run("openvet-pip", "install", "--require-hashes", "-r", "requirements.txt")
        assert installed.code == code, installed.err


def test_warn_mode_tells_what_block_would_withhold(supply):
    supply.wheel("1.0", document=b"")
    supply.policy(RULE, WARN)
    ended = supply.stage.run("openvet-uv", "pip", "install", "acme-sign")
    assert ended.code == 0
    assert "! pypi:acme-sign@1.0?py3-none-any    provenance-missing    command line" in ended.err


def test_an_exemption_forgives_what_has_no_provenance(supply):
    supply.wheel("1.0", document=b"")
    supply.policy()
    exempt = ("openvet-install", "exempt", "acme-sign==1.0", "--until", "14d", "--reason", "r", "--owner", "o")
    assert supply.stage.run(*exempt).code == 0
    ended = supply.stage.run("openvet-uv", "pip", "install", "acme-sign")
    assert ended.code == 0, ended.err
    assert ended.report["files"][0]["provenance"]["status"] == "missing"


@pytest.mark.network
@pytest.mark.parametrize("tool", [("openvet-pip", "download", "--no-deps"), ("openvet-uv", "pip", "install")])
def test_production_documents_behind_a_local_index(stage, tool):
    """Real files with their real provenance, verified below the trust root that sigstore brings."""
    one = real()["CircleCI"]
    digest = stage.index.add(one.body, filename=one.filename, provenance=one.document)
    name, version = "circleci-sign-publish-example", "0.0.1.dev137"
    assert digest.project == name
    stage.log.publish(name, version, variant="py3-none-any", sha256=one.sha256, claims=YES)
    rule = (
        f'[[install.publisher]]\npackage = "{name}"\nkind = "CircleCI"\nref = "refs/heads/pypi"\n'
        'repository = "github.com/CircleCI-Public/sign-and-publish-examples"\n'
        'identity = "https://circleci.com/api/v2/projects/fdd9283f-e619-46af-8f9c-851f7d3e8b2b/pipeline-definitions/{}"\n'
    )
    stage.policy(BENIGN + rule.format("8e4f8ab2-8d7c-4827-9f15-de076d6d647f"))
    ended = stage.run(*tool, f"{name}=={version}")
    assert ended.code == 0, ended.err
    assert ended.report["files"][0]["provenance"]["publisher"]["kind"] == "CircleCI"
    stage.policy(BENIGN + rule.format("00000000-8d7c-4827-9f15-de076d6d647f"))
    ended = stage.run("openvet-pip", "download", "--no-deps", f"{name}=={version}")
    assert ended.code == 77
    assert ended.report["withheld"][0]["reason"] == "provenance-mismatch"
