"""The rules of commits, as a state machine without IO (protocol, sections 6 and 7).

`advance` takes the newest commit that is trusted and the envelope of the next one and returns the next
state, or raises `LogInvalid` and leaves the old state as it was; `attest` looks at the signatures of that commit,
and only both together make the state a trusted one. The steps, 1 to 4 by `advance`, 5 and 6 by `attest`:

1. shape: generation, predecessor, time, skip pointers (verify_commit);
2. the audit tree follows from the operation (verify_tree);
3. the keyset tree follows from the operation (verify_keyset_tree), or the start of a generation is
   what it may be (verify_generation_root);
4. a new key proves that it is held by whoever adds it;
5. the signer stands in the authority's keyset, with the needed capability, unexpired, and the
   signature holds (verify_commit_signature);
6. an audit that comes in is about its subject, all its signatures hold, and signers that are in the
   keyset may audit (verify_audit_envelope, verify_audit_authority).

The authority is the predecessor; of genesis and of generation roots it is the commit itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from openvet_install.openvet import keyset as keysets
from openvet_install.openvet import sshsig, tree
from openvet_install.openvet.faults import ZERO_HASH, LogInvalid, short
from openvet_install.openvet.keys import check_subject, subject_key
from openvet_install.openvet.wire import (
    AuditChange,
    AuditEnvelope,
    Capability,
    Commit,
    CommitEnvelope,
    KeyChange,
    Tree,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from openvet_install.openvet.subject import Subject


class Lookups(keysets.Lookups, Protocol):
    """What the state machine needs to see; each may raise what its own fetching raises."""

    def ancestor(self, index: int) -> bytes:
        """Return the name of the trusted commit `index` of the running generation."""


class Trusted(NamedTuple):
    """A commit that was verified, or waits for `attest` only, with the keyset after it."""

    name: bytes
    commit: Commit
    keyset: keysets.Keyset


def pointer_indexes(index: int) -> tuple[int, ...]:
    """Return the indexes that `parent` of commit `index` names: index - 2^i while 2^i divides it."""
    found, step = [], 1
    while index and index % step == 0:
        found.append(index - step)
        step *= 2
    return tuple(found)


def advance(trusted: Trusted | None, name: bytes, commit: Commit, look: Lookups) -> Trusted:
    """Apply the next commit, steps 1 to 4; `name` must be the hash of its bytes. None starts at the genesis.

    Nothing that it returns may be believed before `attest`. Raises `LogInvalid` whose text begins with the commit's
    index and name.
    """
    try:
        _check_shape(trusted, commit, look)  # 1
        if trusted is None:
            keyset = _genesis(commit, look)  # 2, 3, 4
        elif commit.index == 0:
            keyset = _generation_root(trusted, commit, look)  # 2, 3, 4
        else:
            _check_tree(trusted.commit.tree, commit, look)  # 2
            keyset = keysets.advance(trusted.keyset, trusted.commit, commit, look)  # 3
            _check_proof(trusted.name, commit, keyset)  # 4
    except LogInvalid as fault:
        raise placed(fault, name, commit) from fault
    return Trusted(name, commit, keyset)


def authority(trusted: Trusted | None, state: Trusted) -> keysets.Keyset:
    """Return who may sign the commit of `state`, which follows `trusted`."""
    return state.keyset if trusted is None or state.commit.index == 0 else trusted.keyset


def attest(
    keyset: keysets.Keyset, name: bytes, envelope: CommitEnvelope, audit: Callable[[bytes], AuditEnvelope]
) -> None:
    """Check signer and signatures of a commit, steps 5 and 6, against the keyset that has the authority.

    `audit` returns the decoded audit envelope of a name. Raises `LogInvalid` as `advance` does.
    """
    commit = envelope.commit
    try:
        _check_signature(keyset, envelope)  # 5
        if isinstance(commit.operation, AuditChange) and commit.operation.audit:
            found = audit(commit.operation.audit)
            check_audit(found, commit.operation.subject)  # 6
            _check_audit_authority(keyset, commit, found)
    except LogInvalid as fault:
        raise placed(fault, name, commit) from fault


def placed(fault: LogInvalid, name: bytes, commit: Commit) -> LogInvalid:
    """Return the fault with the commit that it was found at."""
    if fault.commit is not None:
        return fault
    of = f" of generation {commit.generation}" if commit.generation else ""
    what = f"commit {commit.index}{of}, {short(name)}: {fault.what}"
    return LogInvalid(fault.rule, what, where=fault.where, hint=fault.hint, commit=commit.position)


def check_audit(envelope: AuditEnvelope, subject: Subject) -> None:
    """Refuse an audit that is about another subject, has no signature, or one that does not hold."""
    if envelope.content.subject != subject:
        raise LogInvalid("audit-subject-mismatch", f"the audit filed for `{subject}` is about another subject")
    if not envelope.signatures:
        raise LogInvalid("audit-unsigned", f"the audit of `{subject}` is not signed")
    for one in envelope.signatures:
        prefix = f"audit of `{subject}`: "
        _verify(one.signature.armored, one.key, sshsig.AUDIT_NAMESPACE, envelope.signed, prefix=prefix)


def _invalid_chain(what: str) -> LogInvalid:
    return LogInvalid("invalid-chain", what)


def _check_shape(trusted: Trusted | None, commit: Commit, look: Lookups) -> None:
    """verify_commit: 1 start of a generation, 2 (the decoder), 3 number of parents, 4 predecessor, 5 pointers."""
    starts = commit.generation > 0 and commit.index == 0
    if starts != (commit.previous_generation_head is not None):  # 1
        raise _invalid_chain("it names the head of an earlier generation and starts none, or the reverse")
    if len(commit.parents) != len(pointer_indexes(commit.index)):  # 3
        raise _invalid_chain("the number of its parents does not fit its index")
    if trusted is None:
        if commit.position != (0, 0):
            raise _invalid_chain("the first commit of a log has generation 0 and index 0")
        return
    before = trusted.commit
    expected = (before.generation + 1, 0) if starts else (before.generation, before.index + 1)
    named = commit.previous_generation_head if starts else (commit.parents or (None,))[0]
    if commit.position != expected or named != trusted.name:  # 4
        raise _invalid_chain("it does not follow the commit before it")
    if commit.timestamp < before.timestamp:
        raise LogInvalid("timestamp-backwards", "its time is before that of the commit before it")
    for index, parent in zip(pointer_indexes(commit.index)[1:], commit.parents[1:], strict=True):  # 5
        if look.ancestor(index) != parent:
            raise _invalid_chain(f"its skip pointer does not name commit {index}")


def _check_tree(before: Tree, commit: Commit, look: Lookups) -> None:
    """verify_tree: 1 k stays, 2 the operation applies, 3 the result is the root."""
    if commit.tree.k != before.k:  # 1
        raise LogInvalid("tree-k-changed", "the parameter k of the audit tree changed")
    root, operation = before.root, commit.operation
    if isinstance(operation, AuditChange):  # 2
        check_subject(operation.subject)
        key = subject_key(operation.subject)
        try:
            if operation.verb == "insert_audit":
                root = tree.insert(look.nodes, root, key, operation.audit)
            elif operation.verb == "update_audit":
                root = tree.update(look.nodes, root, key, operation.audit)
            else:
                root = tree.remove(look.nodes, root, key)
        except tree.PresentError as error:
            what = f"it inserts an audit of `{operation.subject}`, which is there already"
            raise LogInvalid("audit-already-present", what) from error
        except tree.AbsentError as error:
            what = f"it changes the audit of `{operation.subject}`, which is not there"
            raise LogInvalid("audit-absent", what) from error
    if root != commit.tree.root:  # 3
        raise LogInvalid("tree-root-mismatch", "the audit tree is not what its operation makes of the one before")


def _genesis(commit: Commit, look: Lookups) -> keysets.Keyset:
    if not isinstance(commit.operation, KeyChange):
        raise LogInvalid("signer-not-in-keyset", "the first commit of a log adds no key")
    _check_tree(Tree(commit.tree.k, b""), commit, look)
    keyset = keysets.advance({}, None, commit, look)
    _check_proof(ZERO_HASH, commit, keyset)
    return keyset


def _generation_root(trusted: Trusted, commit: Commit, look: Lookups) -> keysets.Keyset:
    """verify_generation_root: 1 (the shape), 2 the audit tree stays, 3 to 5 the keyset, 6 the proof."""
    if commit.tree.root != trusted.commit.tree.root:  # 2
        raise LogInvalid("tree-root-mismatch", "the audit tree changes with the generation")
    if commit.tree.k != trusted.commit.tree.k:
        raise LogInvalid("tree-k-changed", "the parameter k of the audit tree changed")
    if commit.keyset_last_changed != 0:
        raise LogInvalid("keyset-last-changed-mismatch", "keyset_last_changed is not 0 at the start of a generation")
    keyset = keysets.restart(trusted.keyset, trusted.commit, commit, look)  # 3, 4, 5
    _check_proof(trusted.name, commit, keyset)  # 6
    return keyset


def _check_proof(over: bytes, commit: Commit, keyset: keysets.Keyset) -> None:
    if not isinstance(commit.operation, KeyChange) or commit.operation.verb != "insert_key":
        return
    state = keyset[commit.operation.fingerprint.digest].state
    prefix = "proof of the new key: "
    _verify(state.proof.armored, state.key, sshsig.PROOF_NAMESPACE, over, prefix=prefix, label=state.label)


def _check_signature(authority: keysets.Keyset, envelope: CommitEnvelope) -> None:
    """verify_commit_signature: 1 the signer is known, 2 the signature, 3 the capability, 4 the expiry."""
    commit, signer = envelope.commit, envelope.signer
    member = authority.get(signer.digest) if signer.algorithm == "sha256" else None
    if member is None:  # 1
        shown = sshsig.openssh_fingerprint(signer.digest)
        raise LogInvalid("signer-not-in-keyset", f"its signer is not in the keyset ({shown})")
    state = member.state
    armored = envelope.signature.armored
    _verify(armored, state.key, sshsig.COMMIT_NAMESPACE, envelope.signed, label=state.label)  # 2
    needed = Capability.OPERATOR if isinstance(commit.operation, KeyChange) else Capability.PUBLISHER
    who = describe(state.key, state.label)
    if needed not in state.capabilities:  # 3
        what = f"its signer is no {needed.name.lower()}" if state.capabilities else "its signer is revoked"
        raise LogInvalid("signer-lacks-capability", f"{what} ({who})")
    if state.expires_at is not None and state.expires_at <= commit.timestamp:  # 4
        raise LogInvalid("signer-expired", f"the key of its signer had expired ({who})")


def _check_audit_authority(authority: keysets.Keyset, commit: Commit, envelope: AuditEnvelope) -> None:
    """verify_audit_authority: signers from outside the keyset are allowed, those in it 1 may audit, 2 unexpired."""
    for one in envelope.signatures:
        member = authority.get(one.key.fingerprint)
        if member is None:
            continue
        state = member.state
        who = describe(state.key, state.label)
        if Capability.AUDITOR not in state.capabilities:  # 1
            raise LogInvalid("audit-signer-lacks-capability", f"the signer of its audit is no auditor ({who})")
        if state.expires_at is not None and state.expires_at <= commit.timestamp:  # 2
            raise LogInvalid("audit-signer-expired", f"the key of its audit's signer had expired ({who})")


def _verify(
    armored: bytes, key: sshsig.PublicKey, namespace: str, message: bytes, *, prefix: str = "", label: str | None = None
) -> None:
    try:
        sshsig.verify(armored, key=key, namespace=namespace, message=message)
    except LogInvalid as fault:
        raise LogInvalid(fault.rule, f"{prefix}{fault.what} ({describe(key, label)})") from fault


def describe(key: sshsig.PublicKey, label: str | None) -> str:
    """Return `SHA256:Kq0e…, "ci"` for messages; the label is the log's text and is escaped."""
    shown = key.openssh[:11] + "…"
    return shown if label is None else f'{shown}, "{label.encode("unicode_escape").decode()}"'
