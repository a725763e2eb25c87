"""Walks of one log's history: every commit from the anchor, or from a verified head, to a head.

Backwards along hashes to collect names (skip pointers are followed for fetching ahead only), then
forwards through `chain.advance`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openvet_install.openvet import chain, keyset, tree
from openvet_install.openvet.faults import Kind, LogInvalid, LogMissingError, short
from openvet_install.openvet.recent import Recent
from openvet_install.openvet.schema import parse
from openvet_install.openvet.sshsig import openssh_fingerprint
from openvet_install.openvet.wire import (
    AuditEnvelope,
    Commit,
    CommitEnvelope,
    KeyChange,
    KeyState,
    decode_audit_envelope,
    decode_commit_envelope,
    decode_key_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from openvet_install.openvet.ahead import Ahead
    from openvet_install.openvet.source import Source

    Progress = Callable[[int, int], None]
    Attest = Callable[[keyset.Keyset, bytes, CommitEnvelope], None]

COMMITS_IN_MEMORY = 20_000
COMMIT_BYTES_IN_MEMORY = 32 * 1024 * 1024
AUDITS_AHEAD = 64
_PROGRESS_STEP = 100


class Reader:
    """Decoded objects of one log; implements `chain.Lookups`. For one thread.

    Commits are remembered, bounded by count and bytes; each is decoded once while it is. `owner` is whose log it is,
    for hints.
    """

    def __init__(self, source: Source, owner: str = "the log") -> None:
        """Nothing is read yet."""
        self.source = source
        self.owner = owner
        self.ahead: Ahead | None = None
        self.nodes = self._fresh_nodes()
        self._commits: Recent[CommitEnvelope] = Recent(COMMITS_IN_MEMORY, COMMIT_BYTES_IN_MEMORY)
        self._base: tuple[bytes, Commit] | None = None
        self._walked: list[bytes] = []
        self._first_index = 0

    def commit(self, name: bytes) -> CommitEnvelope:
        """Return a commit by name, hashed but not verified."""
        found = self._commits.get(name)
        if found is None:
            raw = self.raw("commit", name)
            try:
                found = decode_commit_envelope(raw)
            except LogInvalid as fault:
                raise LogInvalid(fault.rule, f"commit {short(name)}: {fault.what}") from fault
            self._commits.put(name, found, len(raw))
        return found

    def audit(self, name: bytes) -> AuditEnvelope:
        """Return an audit envelope by name; its signatures are not looked at."""
        try:
            return decode_audit_envelope(self.raw("audit", name))
        except LogInvalid as fault:
            if fault.rule == "hash-mismatch":
                raise
            raise LogInvalid(fault.rule, f"audit {short(name)}: {fault.what}") from fault

    def attest(self, authority: keyset.Keyset, name: bytes, envelope: CommitEnvelope) -> None:
        """Check the signatures of a commit here and now, as `chain.attest` does."""
        chain.attest(authority, name, envelope, self.audit)

    def bring(self, audits: Sequence[bytes]) -> None:
        """See that these audits, and all commits read so far, stand in the store for other processes."""
        for name in self.source.store.lacking("audit", audits):
            self.raw("audit", name)
        self.source.store.flush()

    def key_state(self, name: bytes) -> KeyState:
        """Return a key state by name."""
        return decode_key_state(self.raw("keystate", name))

    def ancestor(self, index: int) -> bytes:
        """Return the name of commit `index` of the generation that is being walked."""
        if index >= self._first_index:
            return self._walked[index - self._first_index]
        if self._base is None:
            raise LogInvalid("invalid-chain", f"there is no commit {index}")
        return self.ancestor_at(*self._base, index)[0]

    def ancestor_at(self, name: bytes, commit: Commit, index: int) -> tuple[bytes, Commit]:
        """Follow the skip pointers of a *verified* commit down to `index` in its generation."""
        while commit.index != index:
            pointers = dict(zip(chain.pointer_indexes(commit.index), commit.parents, strict=False))
            step = min((at for at in pointers if at >= index), default=None)
            if step is None:
                raise LogInvalid("invalid-chain", f"no pointer of commit {commit.index} leads to commit {index}")
            name = pointers[step]
            below = self.commit(name).commit
            if below.position != (commit.generation, step):
                raise LogInvalid("invalid-chain", f"a pointer of commit {commit.index} does not lead to {step}")
            commit = below
        return name, commit

    def below(self, name: bytes, commit: Commit, place: tuple[int, int]) -> bytes | None:
        """Return the commit at a place (generation, index) of the history of a *verified* one; None if it is beyond."""
        while commit.generation > place[0]:
            before = self.ancestor_at(name, commit, 0)[1].previous_generation_head
            if before is None:
                raise LogInvalid("invalid-chain", "the start of a generation names no predecessor")
            earlier = self.commit(before).commit
            if earlier.generation != commit.generation - 1:
                raise LogInvalid("invalid-chain", "a generation does not follow the one before it")
            name, commit = before, earlier
        return self.ancestor_at(name, commit, place[1])[0] if commit.position >= place else None

    def trusted(self, name: bytes) -> chain.Trusted:
        """Read the state after a commit that was verified before."""
        commit = self.commit(name).commit
        return chain.Trusted(name, commit, keyset.load(commit.keyset.root, self))

    def roots(self, commit: Commit) -> tuple[str, ...]:
        """Return the first key of each generation up to that of a *verified* commit, as `SHA256:base64`."""
        found: list[str] = []
        name = b""
        while True:
            name, root = self.ancestor_at(name, commit, 0)
            found.append(first_key(root))
            if root.previous_generation_head is None:
                return tuple(reversed(found))
            name = root.previous_generation_head
            commit = self.commit(name).commit

    def back(self, name: bytes) -> Iterator[tuple[bytes, Commit]]:
        """Yield (name, commit) from `name` back to the genesis along predecessors; places must fit each other."""
        later: tuple[bytes, Commit] | None = None
        while True:
            commit = self.commit(name).commit
            if later is not None and commit.position != _place_before(later[1], commit):
                raise chain.placed(
                    LogInvalid("invalid-chain", "its place does not follow that of its predecessor"), *later
                )
            yield name, commit
            before = commit.previous_generation_head
            if commit.index:
                before = commit.parents[0] if commit.parents else None
            elif commit.generation == 0:
                return
            if before is None:
                raise chain.placed(LogInvalid("invalid-chain", "it names no predecessor"), name, commit)
            later = (name, commit)
            name = before

    def raw(self, kind: Kind, name: bytes) -> bytes:
        """Return bytes of the name, after waiting for a fetch that is under way."""
        if self.ahead is not None:
            self.ahead.collect(kind, name)
        return self.source.raw(kind, name)

    def start(self, trusted: chain.Trusted | None) -> None:
        """Prepare for a walk that continues from `trusted`."""
        self.nodes = self._fresh_nodes()
        self._base = None if trusted is None else (trusted.name, trusted.commit)
        self._walked = [] if trusted is None else [trusted.name]
        self._first_index = 0 if trusted is None else trusted.commit.index

    def step(self, state: chain.Trusted) -> None:
        """Note a commit that was verified."""
        self.nodes.settle()
        if state.commit.index == 0:
            self._base, self._walked, self._first_index = None, [], 0
        self._walked.append(state.name)
        if isinstance(state.commit.operation, KeyChange):
            # A host need not serve trees of the past; whoever was in the keyset then is asked about later.
            self.nodes.keep(state.commit.keyset.root)

    def _fresh_nodes(self) -> tree.Nodes:
        return tree.Nodes(
            lambda name: self.raw("node", name), lambda name, raw: self.source.store.put("node", name, raw)
        )


def first_key(root: Commit) -> str:
    """Return the fingerprint of the key that a genesis or generation root adds."""
    operation = root.operation
    if not isinstance(operation, KeyChange):
        raise LogInvalid("invalid-chain", "the start of a generation adds no key")
    return openssh_fingerprint(operation.fingerprint.digest)


def _place_before(later: Commit, earlier: Commit) -> tuple[int, int]:
    if later.index:
        return later.generation, later.index - 1
    return later.generation - 1, earlier.index


def collect(reader: Reader, head: bytes, since: bytes | None, progress: Progress | None) -> list[bytes]:
    """Return the names of the commits after `since` (None: all) up to `head`, oldest first.

    Raises `LogInvalid` with rule `not-append-only` if `since` is not met on the way.
    """
    if head == since:
        return []
    known = _position(reader, since)
    names: list[bytes] = []
    for name, commit in reader.back(head):
        names.append(name)
        before = _predecessor(commit)
        if since is not None and before == since:
            break
        if known is not None and commit.position <= known:
            raise fork(reader, head, since or b"")
        if reader.ahead is not None:
            for key in _wanted(commit, known):
                reader.ahead.order(*key)
        if progress is not None and len(names) % _PROGRESS_STEP == 0:
            progress(0, commit.index + len(names))
    else:
        if since is not None:
            raise fork(reader, head, since)
    names.reverse()
    return names


def follow(known: tuple[int, int] | None) -> Callable[[bytes], list[tuple[Kind, bytes]]]:
    """Return what `Ahead` does with a commit that arrived: go on to what it points at."""

    def commits(raw: bytes) -> list[tuple[Kind, bytes]]:
        message: Any = parse("Commit", parse("CommitEnvelope", raw).commit)
        indexes = chain.pointer_indexes(message.index)
        found = [(message.generation, at, name) for at, name in zip(indexes, message.parent, strict=False)]
        if message.previous_generation_head:
            found.append((message.generation - 1, 1 << 64, message.previous_generation_head))
        return [("commit", name) for generation, at, name in found if known is None or (generation, at) > known]

    return commits


def _wanted(commit: Commit, known: tuple[int, int] | None) -> list[tuple[Kind, bytes]]:
    indexes = chain.pointer_indexes(commit.index)
    places = zip(indexes, commit.parents, strict=False)
    found: list[tuple[Kind, bytes]] = [
        ("commit", name) for at, name in places if known is None or (commit.generation, at) > known
    ]
    if commit.previous_generation_head is not None:
        found.append(("commit", commit.previous_generation_head))
    return found


def _predecessor(commit: Commit) -> bytes | None:
    return commit.parents[0] if commit.index and commit.parents else commit.previous_generation_head


def _position(reader: Reader, name: bytes | None) -> tuple[int, int] | None:
    if name is None:
        return None
    try:
        return reader.commit(name).commit.position
    except LogMissingError:
        return None  # another log's host does not have it; then it is not met on the way either


def fork(
    reader: Reader,
    head: bytes,
    known: bytes,
    *,
    what: str = "forked: the served head does not extend the pin",
    sides: tuple[str, str] = ("pinned", "served"),
) -> LogInvalid:
    """Return the error for a head that does not extend a known one: where they part. `sides` names known and head."""
    shown, served = short(known), f"{short(head)} ({reader.commit(head).commit.index})"
    common: tuple[bytes, Commit] | None = None
    try:
        shown = f"{shown} ({reader.commit(known).commit.index})"
        common = _common(reader, head, known)
    except (LogMissingError, LogInvalid):  # the served one need not be a history at all
        pass
    where = f"{sides[0]} {shown}, {sides[1]} {served}"
    if common is None:
        where += ", which have nothing in common"
    elif common[0] == head:
        what = "rolled back: the served head is older than the pin"
    else:
        where += f", both extend {short(common[0])} ({common[1].index})"
    hint = f"keep openvet.lock and ask the owner of {reader.owner} which history is theirs"
    return LogInvalid("not-append-only", what, where=where, hint=hint)


def _common(reader: Reader, one: bytes, two: bytes) -> tuple[bytes, Commit] | None:
    """Return the newest commit that two histories share, by their skip pointers: where they lie it is another one."""
    first, second = reader.commit(one).commit, reader.commit(two).commit
    generation, high = min(first.position, second.position)
    while generation >= 0:
        starts = [reader.below(name, commit, (generation, 0)) for name, commit in ((one, first), (two, second))]
        if starts[0] == starts[1]:
            break
        generation, high = generation - 1, -1
    else:
        return None
    if high < 0:  # they part with the next generation
        ends = [_last(reader, name, commit, generation) for name, commit in ((one, first), (two, second))]
        high = min(end.index for end in ends)
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        at = (generation, middle)
        if reader.below(one, first, at) == reader.below(two, second, at):
            low = middle
        else:
            high = middle - 1
    name = reader.below(one, first, (generation, low)) or b""
    return name, reader.commit(name).commit


def _last(reader: Reader, name: bytes, commit: Commit, generation: int) -> Commit:
    """Return the last commit of an earlier generation."""
    start = reader.commit(reader.below(name, commit, (generation + 1, 0)) or b"").commit
    return reader.commit(start.previous_generation_head or b"").commit


def replay(
    reader: Reader,
    names: Sequence[bytes],
    trusted: chain.Trusted | None,
    seen: Callable[[chain.Trusted], None],
    progress: Progress | None,
    *,
    attest: Attest,
) -> chain.Trusted:
    """Verify `names`, oldest first, on top of `trusted`; `seen` is told each state, `attest` each commit before that.

    Raises `LogInvalid`, `LogMissingError` or `UndecidedError`; what `seen` and `attest` raise ends the walk too.
    """
    reader.start(trusted)
    for done, name in enumerate(names):
        if done % AUDITS_AHEAD == 0:
            _order_objects(reader, names[done : done + 2 * AUDITS_AHEAD])
        envelope = reader.commit(name)
        state = chain.advance(trusted, name, envelope.commit, reader)
        attest(chain.authority(trusted, state), name, envelope)
        trusted = state
        reader.step(trusted)
        seen(trusted)
        if progress is not None and (done + 1) % _PROGRESS_STEP == 0:
            progress(done + 1, len(names))
    if trusted is None:
        raise AssertionError  # there is at least the genesis
    _confirm(reader, trusted.commit)
    if progress is not None:
        progress(len(names), len(names))
    return trusted


def _order_objects(reader: Reader, names: Sequence[bytes]) -> None:
    if reader.ahead is None:
        return
    for name in names:
        operation = reader.commit(name).commit.operation
        if isinstance(operation, KeyChange):
            reader.ahead.order("keystate", operation.state)
        elif operation.audit:
            reader.ahead.order("audit", operation.audit)


def _confirm(reader: Reader, commit: Commit) -> None:
    """See that the host has the nodes of the new head that we computed: a head moves to whole trees only."""
    derived = [*reader.nodes.derived(commit.tree.root), *reader.nodes.derived(commit.keyset.root)]
    if reader.ahead is not None:
        for name in derived:
            reader.ahead.order("node", name)
    for name in derived:
        reader.raw("node", name)
