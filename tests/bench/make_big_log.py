"""Makes the logs of the log bench: one SQLite file each, for `serve_big_log.py`.

    python tests/bench/make_big_log.py FOLDER [--entries 200000] [--million 1000000]

`FOLDER/log.db` is a whole log (every commit and audit, the nodes of the newest trees only) and
`FOLDER/uv.lock` a lock of 572 packages with files that it knows; `FOLDER/tree.db` is a tree alone: the nodes
of its head, one commit, and the audits of one package. A second run with the same numbers does nothing.
"""

import argparse
import hashlib
import itertools
import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openvet_install.openvet import sshsig, tree
from openvet_install.openvet.chain import pointer_indexes
from openvet_install.openvet.faults import ZERO_HASH, object_name
from openvet_install.openvet.keys import keyset_key, subject_key
from openvet_install.openvet.schema import MESSAGES
from openvet_install.openvet.subject import PYPI, Subject, TaggedHash
from tests.support.logkeys import ALL, SimKey, key_state, subject_message

LOCKED_PACKAGES = 572
AUDITED_SHARE = 0.7
NEW_COMMITS = 10_000
START = 1_700_000_000
CODES = {"commit": 1, "node": 2, "audit": 3, "keystate": 4}
PLATFORMS = (
    "manylinux_2_17_x86_64",
    "manylinux_2_17_aarch64",
    "macosx_11_0_arm64",
    "win_amd64",
    "musllinux_1_2_x86_64",
)
PROBE = "probed"
"""The package of the million that has 40 audits."""


class Objects:
    """Objects in a database that the server reads."""

    def __init__(self, path):
        self.database = sqlite3.connect(path)
        self.database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; DROP TABLE IF EXISTS objects;"
            "CREATE TABLE objects(kind INTEGER, name BLOB, raw BLOB, PRIMARY KEY(kind, name)) WITHOUT ROWID;"
        )
        self.waiting = []

    def put(self, kind, raw):
        name = object_name(raw)
        self.waiting.append((CODES[kind], name, raw))
        if len(self.waiting) > 20_000:
            self.write()
        return name

    def write(self):
        self.waiting.sort()
        with self.database:
            self.database.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", self.waiting)
        self.waiting = []

    def close(self, head):
        self.write()
        with self.database:
            self.database.execute("INSERT OR REPLACE INTO objects VALUES (0, ?, ?)", (b"", head))
        self.database.close()


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def files_of(random, name, version):
    """Return (variant, file name) of what a release has: pure, or compiled for many platforms."""
    stem = f"{name.replace('-', '_')}-{version}"
    yield "sdist", f"{stem}.tar.gz"
    if random.random() < 0.6:
        yield "py3-none-any", f"{stem}-py3-none-any.whl"
        return
    for python in ("cp310", "cp311", "cp312", "cp313", "cp314"):
        for platform in PLATFORMS:
            yield f"{python}-{python}-{platform}", f"{stem}-{python}-{python}-{platform}.whl"


def subject_of(name, version, variant):
    return Subject(PYPI, name, version, variant, TaggedHash("sha256", digest(f"{name} {version} {variant}")))


def locked(random):
    """Return the lock's text and its subjects."""
    lines, subjects = ['version = 1\nrevision = 3\nrequires-python = ">=3.10"\n'], []
    for number in range(LOCKED_PACKAGES):
        name, version = f"locked-{number:03}" if number % 3 else f"locked{number:03}", f"{number % 7}.{number % 5}"
        wheels, sdist = [], ""
        for variant, filename in files_of(random, name, version):
            subject = subject_of(name, version, variant)
            subjects.append(subject)
            entry = f'{{ url = "https://files.example/{filename}", hash = "{subject.hash}", size = 1 }}'
            if variant == "sdist":
                sdist = f"sdist = {entry}\n"
            else:
                wheels.append(f"    {entry},\n")
        lines.append(
            f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
            f'source = {{ registry = "https://index.example/simple" }}\n{sdist}wheels = [\n{"".join(wheels)}]\n'
        )
    return "\n".join(lines), subjects


def fillers(random):
    """Yield subjects of other packages for ever."""
    for number in itertools.count():
        name = f"{random.choice(('py', 'lib', 'django', 'flask', 'data', 'aws'))}-{number * 7919 % 1000003:x}"
        for release in range(random.randint(1, 4)):
            for variant, _ in files_of(random, name, f"1.{release}"):
                yield subject_of(name, f"1.{release}", variant)


def audit(subject, key, random):
    claims = {
        "is-benign": random.random() < 0.95, "uses-network": random.random() < 0.3, "uses-exec": random.random() < 0.1,
        "has-binaries": False, "has-build-exec": False, "uses-filesystem": random.random() < 0.5,
    }  # fmt: skip
    message = MESSAGES["Audit"](
        subject=subject_message(subject),
        claims=[MESSAGES["Claim"](name=name, value=value) for name, value in sorted(claims.items())],
        created_at=START,
        summary=f"Looked at `{subject.package}` {subject.version}.",
        report="# What was read\n\nEvery line of it, for a bench.\n" * 4,
    )
    raw = message.SerializeToString()
    signature = MESSAGES["AuthorSignature"](pubkey=key.public(), signature=key.signature(sshsig.AUDIT_NAMESPACE, raw))
    return MESSAGES["AuditEnvelope"](version=1, audit=raw, signatures=[signature]).SerializeToString()


class Chain:
    """Signs commits; every change is one."""

    def __init__(self, objects, signer):
        self.objects, self.signer = objects, signer
        self.names, self.tree, self.keyset, self.changed = [], b"", b"", 0
        self.index = None

    def commit(self, **operation):
        index = self.index if self.index is not None else len(self.names)
        if "insert_key" in operation:
            self.changed = index
        message = MESSAGES["Commit"](
            index=index,
            parent=[self.names[at] for at in pointer_indexes(index)] if self.index is None else [],
            timestamp=START + index,
            operation=MESSAGES["Operation"](**operation),
            tree=MESSAGES["Tree"](k=64, root=self.tree),
            keyset=MESSAGES["Tree"](k=64, root=self.keyset),
            keyset_last_changed=self.changed,
        )
        raw = message.SerializeToString()
        envelope = MESSAGES["CommitEnvelope"](
            version=1,
            commit=raw,
            signer=b"sha256:" + self.signer.digest,
            signature=self.signer.signature(sshsig.COMMIT_NAMESPACE, raw),
        )
        self.names.append(self.objects.put("commit", envelope.SerializeToString()))

    def add_key(self, nodes, key, capabilities):
        over = self.names[-1] if self.names else ZERO_HASH
        state = key_state(key, len(self.names), capabilities, over=over, label=key.label)
        name = self.objects.put("keystate", state)
        self.keyset = tree.insert(nodes, self.keyset, keyset_key(key.digest), name)
        body = MESSAGES["InsertKey"](pubkey_fingerprint=b"sha256:" + key.digest, key_state_hash=name)
        self.commit(insert_key=body)


def fresh_nodes():
    def never(*_):
        raise AssertionError

    return tree.Nodes(never, never, limit=10**7)


def put_tree(objects, nodes, root):
    for name in tree.names(nodes, root):
        objects.put("node", nodes._derived[name].encode())


def make_log(folder, entries):
    random = Random(entries)
    text, subjects = locked(random)
    (folder / "uv.lock").write_text(text, encoding="utf-8")
    chosen = [one for one in subjects if random.random() < AUDITED_SHARE]
    chosen += itertools.islice(fillers(random), entries - len(chosen))
    random.shuffle(chosen)
    owner, auditor = SimKey("bench/owner"), SimKey("bench/auditor")
    objects, nodes, keys = Objects(folder / "log.db"), fresh_nodes(), fresh_nodes()
    chain = Chain(objects, owner)
    chain.add_key(keys, owner, ALL)
    chain.add_key(keys, auditor, ("auditor",))
    for subject in chosen:
        name = objects.put("audit", audit(subject, random.choice((owner, auditor)), random))
        chain.tree = tree.insert(nodes, chain.tree, subject_key(subject), name)
        nodes.settle()
        body = MESSAGES["InsertAudit"](subject=subject_message(subject), audit=name)
        chain.commit(insert_audit=body)
        if len(chain.names) == len(chosen) + 2 - NEW_COMMITS:  # an update from here starts with these nodes
            put_tree(objects, nodes, chain.tree)
    put_tree(objects, nodes, chain.tree)
    put_tree(objects, keys, chain.keyset)
    objects.close(chain.names[-1])
    return {
        "entries": entries,
        "head": chain.names[-1].hex(),
        "before": chain.names[-1 - NEW_COMMITS].hex() if entries > NEW_COMMITS else "",
        "operator": owner.fingerprint,
        "files": len(subjects),
    }


def bulk(objects, entries):
    """Build the tree of sorted (key, value) pairs at once; return the root's name."""
    ranked = [(tree.rank(key), key, value) for key, value in entries]

    def build(first, last):
        if first == last:
            return b""
        top = max(ranked[at][0] for at in range(first, last))
        places = [at for at in range(first, last) if ranked[at][0] == top]
        edges = [first - 1, *places, last]
        children = tuple(build(one + 1, two) for one, two in itertools.pairwise(edges))
        keys, values = tuple(ranked[at][1] for at in places), tuple(ranked[at][2] for at in places)
        return objects.put("node", tree._branch(top, keys, values, children).encode())

    return build(0, len(ranked))


def make_tree(folder, entries):
    random = Random(entries)
    owner = SimKey("bench/owner")
    objects, keys = Objects(folder / "tree.db"), fresh_nodes()
    pairs = {}
    for number in range(40):
        subject = subject_of(PROBE, f"1.{number % 8}", f"cp3{number}-cp3{number}-any")
        pairs[subject_key(subject)] = objects.put("audit", audit(subject, owner, random))
    for subject in itertools.islice(fillers(random), entries - len(pairs)):
        key = subject_key(subject)
        pairs[key] = object_name(key)
    chain = Chain(objects, owner)
    chain.tree = bulk(objects, sorted(pairs.items()))
    chain.index = entries  # readers look at it to see how large the log may be
    chain.add_key(keys, owner, ALL)
    put_tree(objects, keys, chain.keyset)
    objects.close(chain.names[-1])
    return {"entries": entries, "head": chain.names[-1].hex(), "operator": owner.fingerprint}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--million", type=int, default=1_000_000)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, make, entries in (("log", make_log, arguments.entries), ("tree", make_tree, arguments.million)):
        facts = arguments.folder / f"{name}.json"
        if facts.exists() and json.loads(facts.read_text("utf-8"))["entries"] == entries:
            continue
        began = time.perf_counter()
        made = make(arguments.folder, entries)
        temporary = facts.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        temporary.replace(facts)
        print(f"{name}: {entries} entries in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
