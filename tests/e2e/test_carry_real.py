"""Audits carried by content, with real files: a wheel of its sdist, one that was built again, one with another tag."""

import hashlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_zip, record_of

CARRY = BENIGN + 'carry = "content"\n'


def pip(*words):
    subprocess.run([sys.executable, "-m", "pip", "-q", *words], check=True, capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """The sdist, the wheel of the index, and a wheel built here of the sdist."""
    folder = tmp_path_factory.mktemp("six")
    pip("download", "--no-deps", "--no-binary=:all:", "-d", str(folder / "sdist"), "six==1.17.0")
    pip("download", "--no-deps", "--only-binary=:all:", "-d", str(folder / "wheel"), "six==1.17.0")
    (sdist,), (wheel,) = (list((folder / kind).iterdir()) for kind in ("sdist", "wheel"))
    pip("wheel", "--no-deps", "-w", str(folder / "built"), str(sdist))
    (built,) = (folder / "built").iterdir()
    return {"sdist": sdist, "wheel": wheel, "built": built, "retagged": retagged(wheel, folder / "retagged")}


def retagged(wheel, folder):
    """The same wheel for Python 3 alone, as `wheel tags` would write it."""
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        members = {one: archive.read(one) for one in archive.namelist() if not one.endswith("/RECORD")}
    info = "six-1.17.0.dist-info"
    members[f"{info}/WHEEL"] = members[f"{info}/WHEEL"].replace(b"Tag: py2-none-any\n", b"")
    members[f"{info}/RECORD"] = record_of(members, info)
    path = folder / wheel.name.replace("py2.py3", "py3")
    path.write_bytes(make_zip(members.items()))
    return path


@pytest.mark.parametrize(("audited", "offered"), [("sdist", "wheel"), ("sdist", "built"), ("wheel", "retagged")])
def test_it_carries(stage, six, audited, offered):
    original, file = six[audited], six[offered]
    digest = hashlib.sha256(original.read_bytes()).hexdigest()
    variant = "sdist" if audited == "sdist" else "py2.py3-none-any"
    stage.log.publish("six", "1.17.0", variant=variant, sha256=digest, claims=YES)
    stage.index.add(file)
    kept = stage.folder / "cache" / "openvet-install" / "files" / digest[:2]
    kept.mkdir(parents=True, mode=0o700)
    shutil.copy(original, kept / digest)
    stage.policy(CARRY)
    ended = stage.run("openvet-uv", "pip", "install", "six")
    assert ended.code == 0, ended.err
    (found,) = ended.report["files"]
    assert found["reason"] == "carried"
    assert found["requirements"][0]["audits"][0]["carried"].endswith(digest)
