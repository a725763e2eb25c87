"""T75: two wheels pass for the same exactly if an installer makes the same of both, and a resolver reads the same."""

import copy
import email
import random
import zipfile

import pytest

from openvet_install.archive.same import compare
from tests.support.opening import opened
from tests.support.wheels import core_metadata, make_zip, record_of, wheel_text, zip_info

INFO, DATA = "x-1.0.dist-info", "x-1.0.data"
POINTS = b"[g]\na = x:y\n"
PATHS = (
    *("x/a.py", "x/b.so", "y.py", "x.pth", f"{DATA}/scripts/t", f"{DATA}/purelib/z.py", f"{DATA}/data/etc/c"),
    *(f"{INFO}/licenses/L", f"{INFO}/sboms/s", f"{INFO}/top_level.txt", f"{INFO}/RECORD.jws"),
)
TEXTS = (b"", b"1\n")
FOLDERS = ("x", "empty", "x/e", f"{INFO}/licenses", f"{INFO}/odd")
REQUIRES = ("a>=1", "b", "b[x]", "c; os_name=='nt'")
OF_THE_BUILD = ("METADATA", "WHEEL", "RECORD", "licenses", "sboms")


class Recipe:
    """What goes into a wheel: members, folders of their own, what is executable, requirements and Python versions."""

    def __init__(self, dice):
        self.members = {"x/__init__.py": b""} | {one: dice.choice(TEXTS) for one in PATHS if dice.random() < 0.4}
        self.points = dice.random() < 0.3
        self.folders = {one for one in FOLDERS if dice.random() < 0.3}
        self.executable = {one for one in self.members if dice.random() < 0.1}
        self.requires = {one for one in REQUIRES if dice.random() < 0.3}
        self.python = dice.random() < 0.2

    def changed(self, dice):
        """Return a recipe that differs in one thing, which may be one that does not count."""
        other = copy.deepcopy(self)
        what = dice.choice(["member", "text", "points", "folder", "mode", "requires", "python", "nothing"])
        if what == "member":
            one = dice.choice(PATHS)
            other.members.pop(one) if one in other.members else other.members.update({one: b""})
        elif what == "text":
            other.members[dice.choice(sorted(other.members))] = b"2\n"
        elif what == "folder":
            other.folders ^= {dice.choice(FOLDERS)}
        elif what == "mode":
            other.executable ^= {dice.choice(sorted(other.members))}
        elif what == "requires":
            other.requires ^= {dice.choice(REQUIRES)}
        else:
            other.points ^= what == "points"
            other.python ^= what == "python"
        return other

    def wheel(self, dice, tag):
        """Write it, its members in any order and packed in any way."""
        members = self.members | ({f"{INFO}/entry_points.txt": POINTS} if self.points else {})
        metadata = core_metadata("x", "1.0", sorted(self.requires))
        if self.python:
            metadata = metadata.replace("\n\n", "\nRequires-Python: >=3\n\n", 1)
        members |= {f"{INFO}/METADATA": metadata.encode(), f"{INFO}/WHEEL": wheel_text(tag).encode()}
        members[f"{INFO}/RECORD"] = record_of(members, INFO)
        entries = [(zip_info(f"{one}/", mode=0o40755), b"") for one in sorted(self.folders)]
        for path, content in sorted(members.items(), key=lambda _one: dice.random()):
            mode = 0o100755 if path in self.executable else 0o100644
            entries.append((zip_info(path, dice.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), mode), content))
        return make_zip(entries)


def effect(path):
    """Files, folders and rights below site-packages, and what is required; what a builder writes is left out."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        made = {}
        for one in archive.infolist():
            top, _, rest = one.filename.partition("/")
            if top == INFO and rest.split("/")[0] in OF_THE_BUILD:
                continue
            if not one.is_dir():
                made[one.filename] = (archive.read(one), bool(one.external_attr >> 16 & 0o111))
            elif not any(name.startswith(one.filename) and not name.endswith("/") for name in names):
                made[one.filename] = None
        metadata = email.message_from_bytes(archive.read(f"{INFO}/METADATA"))
    return made, sorted(metadata.get_all("Requires-Dist") or []), metadata["Requires-Python"]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_is_what_installs_the_same(tmp_path, seed):
    dice = random.Random(seed)
    said = []
    for _ in range(150):
        recipe = Recipe(dice)
        ours, theirs = recipe.wheel(dice, "py3-none-any"), recipe.changed(dice).wheel(dice, "py2-none-any")
        wheels = []
        for name, raw in (("x-1.0-py3-none-any.whl", ours), ("x-1.0-py2-none-any.whl", theirs)):
            path = tmp_path / name
            path.write_bytes(raw)
            wheels.append((effect(path), opened(tmp_path, raw, name)))
        (one, first), (other, second) = wheels
        found = compare(first, second)
        assert (found.difference is None) == (one == other), (found, one, other)
        said.append(found.difference is None)
    assert 15 < sum(said) < 100
