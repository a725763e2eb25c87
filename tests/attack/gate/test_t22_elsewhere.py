"""T22: packages that go elsewhere than to the environment: the folder that was named is compared."""

import json
import subprocess
import sys

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, stopped
from tests.support.stage import BENIGN, WARN, YES

EVIL = "import os\nos.makedirs(PLACE, exist_ok=True)\nopen(PLACE + '/evil.pth', 'w').write('import evil')\n"


def places(stage, tool):
    """Options and the folder that packages then go to."""
    folder = stage.folder / "there"
    lib = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    found = {"--target": (["--target", str(folder)], folder), "--prefix": (["--prefix", str(folder)], folder / lib)}
    if tool == PIP:
        inside = folder / str(stage.environment).lstrip("/") / lib
        found["--root"] = (["--root", str(folder)], inside)
        found["PIP_TARGET"] = (["PIP_TARGET"], folder)
    return found


def go(stage, tool, way, *words):
    options, _site = places(stage, tool)[way]
    if way == "PIP_TARGET":
        return stage.run(*tool, *words, env={"PIP_TARGET": str(stage.folder / "there")})
    return stage.run(*tool, *options, *words)


EACH = [(tool, way) for tool in (PIP, UV) for way in ("--target", "--prefix", "--root", "PIP_TARGET")]
EACH = [one for one in EACH if one[0] == PIP or one[1] in ("--target", "--prefix")]
EVERY_WAY = pytest.mark.parametrize(("tool", "way"), EACH, ids=[f"{tool[0][8:]} {way}" for tool, way in EACH])


@EVERY_WAY
def test_what_is_approved_goes_there_and_nothing_else_changes(stage, tool, way):
    files = {"good/__init__.py": "", "good-1.0.data/data/share/g.txt": "g", "good-1.0.data/scripts/tool": "#!python\n"}
    stage.wheel("good", "1.0", YES, files=files, entry_points={"good": "good:main"})
    stage.wheel("evil", "1.0")
    stage.policy()
    before = everything(stage)
    ended = go(stage, tool, way, "good")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert everything(stage) == before
    site = places(stage, tool)[way][1]
    assert (site / "good/__init__.py").exists()
    assert ended.report["target"].startswith(str(stage.folder / "there"))
    assert go(stage, tool, way, "evil").code == 77
    assert not list(site.glob("evil*"))
    again = go(stage, tool, way, "--upgrade", "good")
    assert (again.code, again.ours) == (0, []), again.err


@EVERY_WAY
def test_what_a_build_puts_there_is_seen_and_goes(stage, tool, way):
    site = places(stage, tool)[way][1]
    code = EVIL.replace("PLACE", repr(str(site)))
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code))
    stage.policy()
    before = everything(stage)
    ended = go(stage, tool, way, "source")
    assert ended.code == 65, ended.err
    assert [one["undone"] for one in ended.report["unexpected"]] == [True]
    assert not (site / "evil.pth").exists()
    assert everything(stage) == before


def test_a_folder_that_holds_another_release_is_no_mixture(stage):
    # pip warns, leaves the old module, adds the new metadata, and ends with 0.
    for version in ("1.0", "2.0"):
        stage.wheel("good", version, YES, files={"good.py": f"V = {version}\n"})
    stage.policy()
    there = stage.folder / "there"
    assert stage.run(*PIP, "-t", str(there), "good==1.0").code == 0
    ended = stage.run(*PIP, "-t", str(there), "good==2.0")
    assert ended.code == 65, ended.err
    assert sorted(path.name for path in there.glob("good-*")) == ["good-1.0.dist-info"]
    assert (there / "good.py").read_text() == "V = 1.0\n"
    assert stage.run(*PIP, "-t", str(there), "--upgrade", "good==2.0").code == 0
    assert (there / "good.py").read_text() == "V = 2.0\n"


@BOTH
def test_our_own_environment_as_folder(stage, tool):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    before = everything(stage)
    for flag in ("--target", "--prefix"):
        stopped(stage, stage.run(*tool, flag, sys.prefix, "good"), 64, before=before)
        stopped(stage, stage.run(*tool, flag, f"{sys.prefix}/new/one", "good"), 64, before=before)


def test_the_report_that_people_asked_for_is_theirs(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    there = stage.folder / "there"
    report, log = there / "report.json", there / "pip.log"
    there.mkdir()
    ended = stage.run(*PIP, "-t", str(there), "--report", str(report), "--log", str(log), "good")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert report.exists()
    assert log.exists()


PLATFORMS = [
    (PIP, ("--platform", "win_amd64", "--python-version", "3.12", "--only-binary=:all:", "--target", "there")),
    (UV, ("--python-platform", "windows", "--python-version", "3.12", "--no-build", "--target", "there")),
    (("openvet-pip", "download"), ("--platform", "win_amd64", "--only-binary=:all:", "--dest", "there")),
]


@pytest.mark.parametrize(("tool", "options"), PLATFORMS, ids=["pip", "uv", "download"])
def test_files_for_another_platform(stage, tool, options):
    stage.wheel("good", "1.0", YES, tag="py3-none-win_amd64")
    stage.wheel("good", "2.0", tag="py3-none-win_amd64")
    stage.wheel("good", "3.0", tag="py3-none-manylinux_2_17_x86_64")
    stage.policy()
    ended = stage.run(*tool, *options, "good")
    assert ended.code == 0, ended.err
    (held,) = ended.report["held_back"]
    assert (held["chosen"], held["newest"], held["reason"]) == ("1.0", "2.0", "unaudited")
    assert list((stage.project / "there").glob("good-1.0*"))


@pytest.mark.parametrize("version", ["3", "3.12.0a1"])
def test_a_version_as_uv_reads_it_chooses_what_is_judged(stage, version):
    """What only that Python needs is judged, and nothing of another one is installed for it."""
    other = "'3.1'" if version == "3" else "'3.12'"
    needs = f"bad; python_full_version {'<' if version == '3' else '>='} {other}"
    stage.wheel("good", "1.0", YES, requires=[needs])
    stage.wheel("bad", "1.0")
    stage.policy()
    ended = stage.run(*UV, "--python-version", version, "--target", "there", "good")
    assert ended.code == 77, ended.err
    assert "pypi:bad@1.0?py3-none-any" in ended.err
    assert not (stage.project / "there").exists() or not list((stage.project / "there").glob("*good*"))


@pytest.mark.parametrize("version", ["3.x", "3.12.dev1", "1!3.12", "3.12+a", "3.256", "256.1", ""])
def test_no_version_of_python(stage, version):
    stage.policy()
    ended = stage.run(*UV, "--python-version", version, "--target", "there", "good")
    assert (ended.code, "is no version like 3.12" in ended.err) == (64, True), ended.err


def test_two_places_at_once(stage):
    stage.policy()
    for tool, more in ((PIP, {}), (UV, {})):
        ended = stage.run(*tool, "good", "--target", "a", "--prefix", "b", env=more)
        assert (ended.code, "`--target` and `--prefix` cannot be used together" in ended.err) == (64, True), ended.err
    ended = stage.run(*PIP, "good", "--prefix", "b", env={"PIP_TARGET": "a"})
    assert (ended.code, "`--target` and `--prefix` cannot be used together" in ended.err) == (64, True), ended.err


def test_the_users_own_folder(stage, tmp_path):
    # No environment: a user who may not write to Python's own folders gets another one, without asking for it.
    stage.wheel("good", "1.0", YES, entry_points={"good": "good:NAME.upper"})
    stage.policy(WARN)
    base = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.base_prefix)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    python = f"{base}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    home = tmp_path / "home"
    home.mkdir()
    env = {"VIRTUAL_ENV": "", "HOME": str(home)}
    ended = stage.run(*PIP, "--python", python, "--user", "--break-system-packages", "good", env=env)
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert ended.report["target"] == str(home / ".local")
    assert list(home.glob(".local/lib/python*/site-packages/good.py"))


def test_features_of_pip(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("helper", "1.0")
    stage.sdist("source", "1.0", YES, build_requires=["helper"])
    stage.policy()
    for feature in ("fast-deps", "inprocess-build-deps", "venv-isolation"):
        ended = stage.run(*PIP, "--use-feature", feature, "--force-reinstall", "good")
        assert ended.code == 0, ended.err
        before = everything(stage)
        assert stage.run(*PIP, "--use-feature", feature, "source").code == 77
        assert everything(stage) == before
    assert stage.run(*PIP, "--use-feature", "2020-resolver", "good").code == 64
    assert not stage.marker.exists()


def test_settings_for_a_backend_reach_it(stage):
    code = f"open({str(stage.folder / 'settings')!r}, 'a').write(repr(config_settings))"
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code))
    stage.policy(BENIGN)
    assert stage.run(*PIP, "--config-settings", "a=b", "source").code == 0
    assert stage.run(*UV, "--reinstall", "-C", "c=d", "source").code == 0
    assert stage.run(*PIP, "--force-reinstall", "source", env={"PIP_CONFIG_SETTINGS": "e=f"}).code == 0
    said = (stage.folder / "settings").read_text()
    assert all(json.dumps(one).replace('"', "'") in said for one in ({"a": "b"}, {"c": "d"}, {"e": "f"})), said
