"""What is fuzzed: every decoder of bytes from outside, with its seeds and what must hold.

A target takes bytes and returns; only errors of `openvet_install.errors` may leave a decoder, and what was
read must write back. `python tests/fuzz/targets.py NAME FOLDER… -OPTION=…` is one run of libFuzzer.
"""

from __future__ import annotations

import gzip
import importlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

URL = "https://index.example/simple/demo/"


IMPORTED = {
    **{
        name: f"openvet_install.openvet.{name}"
        for name in ("bundle", "content", "keys", "language", "pins", "sshsig", "wire")
    },
    "archive": "openvet_install.archive",
    "config": "openvet_install.config",
    "errors": "openvet_install.errors",
    "locks": "openvet_install.installers.locks",
    "metadata": "openvet_install.archive.metadata",
    "pages": "openvet_install.gateway.pages",
    "planted": "tests.fuzz.planted",
    "record": "openvet_install.archive.record",
    "sdists": "openvet_install.archive.sdists",
    "subject": "openvet_install.openvet.subject",
    "tree": "openvet_install.openvet.tree",
    "wheels": "openvet_install.archive.wheels",
}


def modules():
    """Import what is fuzzed; atheris instruments what is imported here."""
    return {name: importlib.import_module(path) for name, path in IMPORTED.items()}


class Targets:
    """The targets, each a method `run_NAME(bytes)` and `seeds_NAME()`."""

    def __init__(self, found):
        self.__dict__.update(found)
        self.folder = Path(tempfile.mkdtemp(prefix="openvet-fuzz-"))

    # Log objects.

    def run_commit(self, raw):
        envelope = self.wire.decode_commit_envelope(raw)
        assert envelope.commit.position >= (0, 0)

    def run_audit(self, raw):
        envelope = self.wire.decode_audit_envelope(raw)
        key = self.keys.subject_key(envelope.content.subject)
        with suppress(self.errors.InstallError):
            assert self.keys.parse_subject_key(key) == envelope.content.subject

    def run_keystate(self, raw):
        state = self.wire.decode_key_state(raw)
        assert self.sshsig.parse_fingerprint(state.key.openssh) == state.key.fingerprint

    def run_node(self, raw):
        branch = self.tree.checked_node(raw)
        assert self.tree.checked_node(branch.encode()) == branch
        assert list(branch.keys) == sorted(set(branch.keys))

    def run_content(self, raw):
        self.content.decode_audit(raw)

    def run_sshsig(self, raw):
        key = self.sshsig.PublicKey.parse(self.sshsig.ED25519, KEY)
        self.sshsig.verify(raw, key=key, namespace="openvet-audit-v1", message=b"message")
        raise AssertionError  # nobody signed this here

    def run_key(self, raw):
        name, _, blob = raw.partition(b"\0")
        key = self.sshsig.PublicKey.parse(name.decode("latin-1"), blob)
        assert key.algorithm.encode() in blob

    def run_treekey(self, raw):
        with suppress(self.errors.InstallError):
            assert self.keys.keyset_key(self.keys.parse_keyset_key(raw)) == raw
        found = self.keys.parse_subject_key(raw)
        assert self.keys.parse_subject_key(self.keys.subject_key(found)) == found

    # Texts.

    def run_subject(self, raw):
        text = raw.decode("utf-8", "surrogateescape")
        found = self.subject.Subject.parse(text)
        assert str(self.subject.Subject.parse(str(found))) == str(found)
        tagged = self.subject.TaggedHash.from_bytes(bytes(found.hash))
        assert tagged == found.hash

    def run_expression(self, raw):
        expression = self.language.parse(raw.decode("utf-8", "replace"))
        for value in (True, False, None):
            self.language.evaluate(expression, lambda _claim, value=value: value)
        assert self.language.claims_of(expression)

    def run_policy(self, raw):
        self.config.parse_policy(raw.decode("utf-8", "replace"))

    def run_pins(self, raw):
        path = self._file(raw, "openvet.lock")
        with suppress(self.errors.InstallError):
            found = self.pins.read_pins(path)
            self.pins.write_pins(path, found)
            assert self.pins.read_pins(path) == found
        self.pins.read_walked(self._file(raw, "openvet-install.lock"))

    def run_bundle(self, raw):
        found = self.bundle.parse_bundle("openvet.bundle", raw)
        for url, held in found.logs.items():
            assert found.held(url) is held
            held.get("commit", held.head)
            held.insertions(held.head)

    def run_uvlock(self, raw):
        self._lock(raw, "uv")

    def run_pylock(self, raw):
        self._lock(raw, "pylock")

    def _lock(self, raw, kind):
        text = raw.decode("utf-8", "replace")
        with suppress(self.errors.InstallError):
            self.locks.subjects(text, kind)
        lock = self.locks.parse_lock(text, self.folder / ("uv.lock" if kind == "uv" else "pylock.toml"), kind)
        for package in lock.packages:
            assert all(file.name == package.name for file in package.files)

    # Pages and archives.

    def run_json(self, raw):
        self._page(raw, "application/vnd.pypi.simple.v1+json")

    def run_html(self, raw):
        self._page(raw, "text/html; charset=utf-8")

    def _page(self, raw, media):
        page = self.pages.parse_page(raw, media, URL, index="https://index.example/simple")
        assert all(file.url.startswith("http") for file in page.files)

    def run_wheel(self, raw):
        self.archive.open_archive(self._file(raw, "a.whl"), "demo-1.0-py3-none-any.whl")

    def run_zip(self, raw):
        self.archive.open_archive(self._file(raw, "a.zip"), "demo-1.0.zip")

    def run_tar(self, raw):
        """Without the outer gzip, whose checksum would turn every mutation away."""
        self.archive.open_archive(self._file(gzip.compress(raw, 0, mtime=0), "a.tar.gz"), "demo-1.0.tar.gz")

    def run_targz(self, raw):
        self.archive.open_archive(self._file(raw, "b.tar.gz"), "demo-1.0.tar.gz")

    def run_record(self, raw):
        assert all(len(row) == 3 for row in self.record._rows(raw, "demo-1.0.dist-info"))

    def run_metadata(self, raw):
        self.metadata.read_identity(raw, "METADATA", name="demo", version="1.0")

    def run_planted(self, raw):
        """A fault that only a search guided by coverage finds: four bytes deep, each behind its own branch."""
        self.planted.decode(raw)

    def _file(self, raw, name):
        path = self.folder / name
        path.write_bytes(raw)
        return path


KEY = (11).to_bytes(4, "big") + b"ssh-ed25519" + (32).to_bytes(4, "big") + bytes(range(32))
NAMES = sorted(name.removeprefix("run_") for name in vars(Targets) if name.startswith("run_"))
REAL = [name for name in NAMES if name != "planted"]


def seeds(name):
    """Return the seeds of a target: from the vectors, the makers of the other tests, and the corpus that was kept."""
    from tests.fuzz.seeds import kept_of, seeds_of

    return list(dict.fromkeys([*seeds_of(name), *kept_of(name)]))


def write(inputs, folder):
    for number, raw in enumerate(inputs):
        (folder / f"seed-{number:04}").write_bytes(raw)


def main():
    import atheris

    name, *arguments = sys.argv[1:]
    with atheris.instrument_imports(include=["openvet_install", "tests.fuzz.planted"]):
        targets = Targets(modules())
    run = getattr(targets, f"run_{name}")
    allowed = targets.errors.InstallError

    def one(raw):
        with suppress(allowed):
            run(raw)

    atheris.Setup([os.environ.get("OPENVET_FUZZ_SELF", sys.argv[0]), *arguments], one)  # a merge starts itself again
    atheris.Fuzz()


def replay(name, raw):
    """Run one input without atheris; raises what a finding would be."""
    targets = Targets(modules())
    with suppress(targets.errors.InstallError):
        getattr(targets, f"run_{name}")(raw)


if __name__ == "__main__":
    main()
