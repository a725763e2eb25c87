"""A host of OpenVet logs for tests: signs, publishes, rotates keys, and lies when told to.

    with LogSimulator() as sim:
        alice = sim.log("alice")
        flask = alice.publish("flask", "3.1.2", claims={"is-benign": True})
        alice.withdraw(flask)
        write_project(tmp_path, [alice], '[requirement]\\nbenign = "is-benign"\\n')

Names of objects are the same in every run: keys come from labels, times from a counter. Objects of all
logs lie in one pool per log, faults are laid over it and can be taken away again.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openvet_install.openvet import sshsig, tree
from openvet_install.openvet.chain import pointer_indexes
from openvet_install.openvet.faults import ZERO_HASH, object_name
from openvet_install.openvet.keys import keyset_key, subject_key
from openvet_install.openvet.pins import Pin, Walked, write_pins, write_walked
from openvet_install.openvet.schema import MESSAGES
from openvet_install.openvet.subject import PYPI, Subject, TaggedHash
from tests.support.loghost import LogServer
from tests.support.logkeys import ALL, CAPABILITIES, SimKey, key_state, subject_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["ALL", "CAPABILITIES", "LogSimulator", "SimKey", "SimLog", "write_project"]

START = 1_790_000_000
"""Unix seconds of the first commit of every log; each commit is one second later."""


@dataclass(frozen=True, slots=True)
class State:
    """A log after one commit."""

    name: bytes
    generation: int
    index: int
    timestamp: int
    tree: bytes
    keyset: bytes
    changed: int
    members: Mapping[bytes, bytes]
    """Serialised key states by raw fingerprint."""


class SimLog:
    """One log. Methods that add a commit serve it as the head at once."""

    def __init__(self, sim: LogSimulator, name: str, *, owner: SimKey | None = None) -> None:
        self.sim = sim
        self.name = name
        self.owner = owner or SimKey(f"{name}/owner")
        self.operators: list[SimKey] = [self.owner]
        self.now = START
        self.down = 0
        """An HTTP status to answer everything with, such as 503."""
        self.objects: dict[tuple[str, str], bytes] = {}
        self.faults: dict[tuple[str, str], bytes | None] = {}
        self.history: list[State] = []
        self._served: bytes | None = None
        self._nodes = _Recorded(self.objects)
        self._by_generation: dict[int, list[State]] = {}

    # What clients need.

    @property
    def url(self) -> str:
        return f"{self.sim.url}/{self.name}"

    @property
    def head(self) -> str:
        """Name of the newest commit, whatever is served."""
        return self.history[-1].name.hex()

    @property
    def commits(self) -> list[str]:
        """Names of all commits, oldest first."""
        return [state.name.hex() for state in self.history]

    @property
    def operator_fingerprint(self) -> str:
        """First operator key of generation 0."""
        return self.operators[0].fingerprint

    @property
    def operator_fingerprints(self) -> tuple[str, ...]:
        """First operator key of every generation."""
        return tuple(key.fingerprint for key in self.operators)

    # Honest commits.

    def publish(
        self,
        package: str,
        version: str,
        *,
        variant: str | None = "py3-none-any",
        sha256: str | None = None,
        claims: Mapping[str, bool] | None = None,
        registry: str = PYPI,
        auditors: Sequence[SimKey] | None = None,
        publisher: SimKey | None = None,
        **fields: Any,
    ) -> Subject:
        """Insert an audit; `fields` go into the `Audit` message (summary, report, created_at, ...)."""
        text = f"{registry}:{package}@{version}?{variant}"
        digest = bytes.fromhex(sha256) if sha256 is not None else hashlib.sha256(text.encode()).digest()
        subject = Subject(registry, package, version, variant, TaggedHash("sha256", digest))
        self.insert(subject, claims=claims, auditors=auditors, publisher=publisher, **fields)
        return subject

    def insert(self, subject: Subject, **how: Any) -> str:
        """Insert an audit of `subject`; return the audit's name."""
        return self._change("insert_audit", subject, **how)

    def update(self, subject: Subject, **how: Any) -> str:
        """Replace the audit of `subject`; return the new audit's name."""
        return self._change("update_audit", subject, **how)

    def withdraw(self, subject: Subject, *, publisher: SimKey | None = None) -> str:
        """Remove the audit of `subject`; return the commit's name."""
        root = tree.remove(self._nodes, self.history[-1].tree, subject_key(subject))
        body = MESSAGES["RemoveAudit"](subject=subject_message(subject))
        return self.append(publisher or self.operators[-1], tree=root, remove_audit=body)

    def add_key(
        self,
        label: str,
        capabilities: Iterable[str] = ("auditor",),
        *,
        key: SimKey | None = None,
        expires_at: int | None = None,
        shown: str | None = None,
        operator: SimKey | None = None,
    ) -> SimKey:
        """Add a key; its label in the log is `shown`, else `label`."""
        key = key or SimKey(f"{self.name}/{label}")
        last = self.history[-1]
        state = key_state(
            key, last.index + 1, capabilities, over=last.name, label=shown or label, expires_at=expires_at
        )
        self._set_key("insert_key", key.digest, state, operator)
        return key

    def change_key(self, key: SimKey, *, operator: SimKey | None = None, **changes: Any) -> None:
        """Change `capabilities` (names), `label` or `expires_at` (None: none) of a key."""
        state = MESSAGES["KeyState"]()
        state.ParseFromString(self.history[-1].members[key.digest])
        state.updated_at = self.history[-1].index + 1
        if "capabilities" in changes:
            del state.capabilities[:]
            state.capabilities.extend(sorted(CAPABILITIES[name] for name in changes.pop("capabilities")))
        for field, value in changes.items():
            state.ClearField(field)
            if value is not None:
                setattr(state, field, value)
        self._set_key("update_key", key.digest, state.SerializeToString(), operator)

    def revoke(self, key: SimKey, *, operator: SimKey | None = None) -> None:
        """Take all capabilities of a key."""
        self.change_key(key, capabilities=(), operator=operator)

    def expire(self, key: SimKey, at: int | None = None, *, operator: SimKey | None = None) -> None:
        """Let a key end at a time (Unix seconds); None: with the next commit."""
        self.change_key(key, expires_at=self.now + 1 if at is None else at, operator=operator)

    def new_generation(self, label: str = "", *, message: str | None = None) -> SimKey:
        """Start a generation as a host can: every key revoked, one new one."""
        last = self.history[-1]
        key = SimKey(f"{self.name}/generation-{last.generation + 1}/{label}")
        members, root = {}, b""
        for digest, raw in last.members.items():
            state = MESSAGES["KeyState"]()
            state.ParseFromString(raw)
            del state.capabilities[:]
            members[digest] = state.SerializeToString()
        new = key_state(key, 0, ALL, over=last.name)
        members[key.digest] = new
        for digest, raw in members.items():
            root = tree.insert(self._nodes, root, keyset_key(digest), self.put("keystate", raw))
        self.operators.append(key)
        changes: dict[str, Any] = {"previous_generation_head": last.name, "parent": []}
        if message is not None:
            changes["generation_message"] = message
        body = MESSAGES["InsertKey"](pubkey_fingerprint=b"sha256:" + key.digest, key_state_hash=object_name(new))
        self.append(
            key,
            keyset=root,
            members=members,
            changes={**changes, "generation": last.generation + 1, "index": 0, "keyset_last_changed": 0},
            insert_key=body,
        )
        return key

    # Anything else.

    def append(
        self,
        signer: SimKey,
        *,
        tree: bytes | None = None,
        keyset: bytes | None = None,
        members: Mapping[bytes, bytes] | None = None,
        named: SimKey | None = None,
        changes: Mapping[str, Any] | None = None,
        **operation: Any,
    ) -> str:
        """Sign and serve a commit with any content; return its name.

        `operation` is one field of `Operation`; `changes` overwrites fields of the `Commit` message,
        `named` the signer that the envelope names. Nothing is checked.
        """
        last = self.history[-1] if self.history else None
        self.now += 1
        index = last.index + 1 if last else 0
        generation = last.generation if last else 0
        before = self._generation(generation)
        tree_root = (last.tree if last else b"") if tree is None else tree
        keyset_root = (last.keyset if last else b"") if keyset is None else keyset
        changed = index if members is not None else last.changed if last else 0
        fields: dict[str, Any] = {
            "generation": generation,
            "index": index,
            "parent": [before[at].name for at in pointer_indexes(index)],
            "timestamp": self.now,
            "operation": MESSAGES["Operation"](**operation),
            "tree": MESSAGES["Tree"](k=64, root=tree_root),
            "keyset": MESSAGES["Tree"](k=64, root=keyset_root),
            "keyset_last_changed": changed,
            **(changes or {}),
        }
        commit = MESSAGES["Commit"](**fields).SerializeToString()
        envelope = MESSAGES["CommitEnvelope"](
            version=1,
            commit=commit,
            signer=b"sha256:" + (named or signer).digest,
            signature=signer.signature(sshsig.COMMIT_NAMESPACE, commit),
        )
        name = self.put("commit", envelope.SerializeToString())
        known = members if members is not None else last.members if last else {}
        state = State(
            name,
            fields["generation"],
            fields["index"],
            fields["timestamp"],
            tree_root,
            keyset_root,
            fields["keyset_last_changed"],
            known,
        )
        self.history.append(state)
        self.now = max(self.now, fields["timestamp"])
        self._by_generation.setdefault(state.generation, []).append(state)
        self._nodes.settle()
        return name.hex()

    def amend(
        self,
        signer: SimKey,
        *,
        named: SimKey | None = None,
        tree: bytes | None = None,
        keyset: bytes | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> str:
        """Replace the newest commit by one with the same operation that is otherwise as told; return its name."""
        last = self.drop()
        envelope, commit = MESSAGES["CommitEnvelope"](), MESSAGES["Commit"]()
        envelope.ParseFromString(self.objects["commit", last.name.hex()])
        commit.ParseFromString(envelope.commit)
        verb = commit.operation.WhichOneof("op")
        return self.append(
            signer,
            named=named,
            tree=last.tree if tree is None else tree,
            keyset=last.keyset if keyset is None else keyset,
            members=last.members if verb in ("insert_key", "update_key") else None,
            changes=changes,
            **{verb: getattr(commit.operation, verb)},
        )

    def drop(self) -> State:
        """Forget the newest commit (its objects stay) and return it."""
        last = self.history.pop()
        self._by_generation[last.generation].pop()
        self.now = self.history[-1].timestamp
        return last

    def insert_again(self, subject: Subject, audit: str) -> str:
        """Insert an audit that is in the pool already; return the commit's name."""
        value = bytes.fromhex(audit)
        root = tree.insert(self._nodes, self.history[-1].tree, subject_key(subject), value)
        body = MESSAGES["InsertAudit"](subject=subject_message(subject), audit=value)
        return self.append(self.operators[-1], tree=root, insert_audit=body)

    def put(self, kind: str, raw: bytes) -> bytes:
        """Add an object to the pool; return its name."""
        name = object_name(raw)
        self.objects[kind, name.hex()] = raw
        return name

    def audit(
        self,
        subject: Subject,
        claims: Mapping[str, bool] | None = None,
        auditors: Sequence[SimKey] | None = None,
        **fields: Any,
    ) -> bytes:
        """Return the bytes of a signed audit envelope."""
        message = MESSAGES["Audit"](
            subject=subject_message(subject),
            claims=[MESSAGES["Claim"](name=name, value=value) for name, value in sorted((claims or {}).items())],
            **{"created_at": self.now, "summary": "looked at", **fields},
        )
        raw = message.SerializeToString()
        signatures = [
            MESSAGES["AuthorSignature"](pubkey=key.public(), signature=key.signature(sshsig.AUDIT_NAMESPACE, raw))
            for key in (auditors if auditors is not None else [self.operators[-1]])
        ]
        return MESSAGES["AuditEnvelope"](version=1, audit=raw, signatures=signatures).SerializeToString()

    # A host that lies or is away.

    def fork(self, name: str, *, at: int = -1) -> SimLog:
        """Return another log with the same history up to `history[at]`, to go on differently."""
        other = SimLog(self.sim, name, owner=self.owner)
        other.operators = list(self.operators)
        other.objects = dict(self.objects)
        other._nodes = _Recorded(other.objects)
        other.history = self.history[: at + 1] if at != -1 else list(self.history)
        other.operators = self.operators[: other.history[-1].generation + 1]
        other._by_generation = {}
        for state in other.history:
            other._by_generation.setdefault(state.generation, []).append(state)
        other.now = other.history[-1].timestamp
        self.sim.logs[name] = other
        return other

    def become(self, other: SimLog) -> None:
        """Serve another log's objects and head under this URL."""
        self.objects.update(other.objects)
        self.history = list(other.history)
        self._by_generation = {key: list(states) for key, states in other._by_generation.items()}
        self.operators = list(other.operators)
        self._served = None

    def serve(self, head: str | bytes | None) -> None:
        """Serve another head: a name, any bytes, or None for the newest again."""
        self._served = bytes.fromhex(head) if isinstance(head, str) else head

    def roll_back(self, commits: int) -> None:
        """Serve a head that lies this many commits back; the objects stay."""
        self.serve(self.history[-1 - commits].name)

    def hide(self, kind: str, name: str) -> None:
        """Answer 404 for an object; kind `head` has the name ``."""
        self.faults[kind, name] = None

    def corrupt(self, kind: str, name: str, raw: bytes | None = None) -> None:
        """Serve other bytes under an object's name; without `raw` the object with its last byte changed."""
        good = self.objects[kind, name]
        self.faults[kind, name] = good[:-1] + bytes([good[-1] ^ 1]) if raw is None else raw

    def truncate(self, kind: str, name: str) -> None:
        """Serve an object without its last byte."""
        self.faults[kind, name] = self.objects[kind, name][:-1]

    def repair(self) -> None:
        """Take all faults away."""
        self.faults.clear()
        self._served, self.down = None, 0

    def answer(self, path: str) -> bytes | None:
        """Return what is served below `/log/`."""
        kind, _, name = path.partition("/")
        if (kind, name) in self.faults:
            return self.faults[kind, name]
        if kind == "head":
            return self._served if self._served is not None else self.history[-1].name
        return self.objects.get((kind, name))

    # Inside.

    def _begin(self) -> None:
        state = key_state(self.owner, 0, ALL, over=ZERO_HASH)
        self._set_key("insert_key", self.owner.digest, state, self.owner)

    def _generation(self, generation: int) -> list[State]:
        return self._by_generation.get(generation, [])

    def _change(
        self,
        verb: str,
        subject: Subject,
        *,
        claims: Mapping[str, bool] | None = None,
        auditors: Sequence[SimKey] | None = None,
        publisher: SimKey | None = None,
        **fields: Any,
    ) -> str:
        audit = self.put("audit", self.audit(subject, claims, auditors, **fields))
        change = tree.insert if verb == "insert_audit" else tree.update
        root = change(self._nodes, self.history[-1].tree, subject_key(subject), audit)
        kind = "InsertAudit" if verb == "insert_audit" else "UpdateAudit"
        body = MESSAGES[kind](subject=subject_message(subject), audit=audit)
        self.append(publisher or self.operators[-1], tree=root, **{verb: body})
        return audit.hex()

    def _set_key(self, verb: str, digest: bytes, state: bytes, operator: SimKey | None) -> None:
        name = self.put("keystate", state)
        last = self.history[-1] if self.history else None
        change = tree.insert if verb == "insert_key" else tree.update
        root = change(self._nodes, last.keyset if last else b"", keyset_key(digest), name)
        members = {**(last.members if last else {}), digest: state}
        kind = "InsertKey" if verb == "insert_key" else "UpdateKey"
        body = MESSAGES[kind](pubkey_fingerprint=b"sha256:" + digest, key_state_hash=name)
        self.append(operator or self.operators[-1], keyset=root, members=members, **{verb: body})


class LogSimulator:
    """Serves any number of `SimLog` over HTTP on loopback, from its first use until it is closed.

    `requests` lists the paths asked; `compress` answers with zstd where it is accepted; `delay` is the
    time in seconds before each answer.
    """

    def __init__(self) -> None:
        self.logs: dict[str, SimLog] = {}
        self.requests: list[str] = []
        self.compress = False
        self.delay = 0.0
        self.meeting: Meeting | None = None
        self._server: LogServer | None = None
        self._port = 0
        self._place = ExitStack()  # its port, where it does not listen

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._place.close()

    @property
    def url(self) -> str:
        self.start()
        return f"http://127.0.0.1:{self._port}"

    def log(self, name: str, *, owner: SimKey | None = None) -> SimLog:
        """Return the log of that name; a new one has its genesis commit."""
        if name not in self.logs:
            self.logs[name] = SimLog(self, name, owner=owner)
            self.logs[name]._begin()
        return self.logs[name]

    def meet(self, logs: int) -> Meeting:
        """From now on keep who asks for a head waiting until so many logs are asked for theirs."""
        self.meeting = Meeting(logs)
        return self.meeting

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        if self._server is None:
            self._place.close()
            self._server = LogServer(self, self._port)
            self._port = self._server.server_port

    def stop(self) -> None:
        """Refuse connections from now on, and end the open ones; nobody else gets the port meanwhile."""
        if self._server is not None:
            self._server.end()
            self._server = None
            place = self._place.enter_context(socket.socket())
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            place.bind(("127.0.0.1", self._port))


class Meeting:
    """Lets requests for heads go on when all logs have been asked at the same time, or after 20 seconds each."""

    def __init__(self, logs: int) -> None:
        self._waiting: set[str] = set()
        self._logs = logs
        self._all = threading.Event()
        self._lock = threading.Lock()

    @property
    def all_came(self) -> bool:
        return self._all.is_set()

    def come(self, log: str) -> None:
        with self._lock:
            self._waiting.add(log)
            if len(self._waiting) == self._logs:
                self._all.set()
        self._all.wait(20)
        with self._lock:
            self._waiting.discard(log)


class _Recorded(tree.Nodes):
    """Nodes that go straight into a log's pool."""

    def __init__(self, objects: dict[tuple[str, str], bytes]) -> None:
        self._objects = objects
        super().__init__(lambda name: objects["node", name.hex()], lambda _name, _raw: None)

    def add(self, branch: tree.Branch) -> bytes:
        raw = branch.encode()
        name = object_name(raw)
        self._objects["node", name.hex()] = raw
        self._derived[name] = branch
        self._replaced.discard(name)
        return name


def write_project(
    folder: Path, logs: Iterable[SimLog], policy: str = "", *, pins: Mapping[str, str] | None = None, lock: bool = True
) -> Path:
    """Write openvet.toml, and with `lock` openvet.lock and openvet-install.lock, for some logs; return `folder`.

    `policy` is the text after the `[log]` tables; `pins` replaces the pinned (and walked) head of a log
    by name. Without `lock` the project is as before its first update.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = list(logs)
    tables = "".join(f'[log.{log.name}]\nurl = "{log.url}"\n\n' for log in chosen)
    (folder / "openvet.toml").write_text(tables + policy, encoding="utf-8")
    if lock:
        heads = {log.name: (pins or {}).get(log.name, log.head) for log in chosen}
        write_pins(folder / "openvet.lock", {log.name: Pin(log.url, heads[log.name]) for log in chosen})
        anchors = {log.name: Walked(_anchor(log, heads[log.name]), heads[log.name]) for log in chosen}
        write_walked(folder / "openvet-install.lock", anchors)
    return folder


def _anchor(log: SimLog, head: str) -> tuple[str, ...]:
    found = next((state for state in log.history if state.name.hex() == head), log.history[-1])
    return log.operator_fingerprints[: found.generation + 1]
