"""Short builders of files, audits and rules for tests of decisions."""

from datetime import datetime, timezone

from openvet_install.config import parse_policy
from openvet_install.decide import Evidence, Rules
from openvet_install.files import File
from openvet_install.openvet.subject import Subject
from openvet_install.openvet.verdict import Audit

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
INDEX = "https://index.example/simple"
SHA = "ab" * 32


def a_file(name="goodlib", version="1.0", *, tag="py3-none-any", sha256=SHA, uploaded=NOW, yanked=False):
    stem = name.replace("-", "_")
    filename = f"{stem}-{version}.tar.gz" if tag == "sdist" else f"{stem}-{version}-{tag}.whl"
    return File(
        name=name,
        version=version,
        filename=filename,
        url=f"https://files.example/{filename}",
        index=INDEX,
        sha256=sha256,
        uploaded=uploaded,
        yanked=yanked,
    )


def an_audit(file, claims, *, log="alice", approves=True, subject=None, digest="aa9ce13f7a22" + "0" * 52):
    if isinstance(subject, str):
        subject = Subject.parse(subject)
    return Audit(
        log=log,
        subject=subject or file.subject,
        hash=digest,
        claims=claims,
        signers=("SHA256:" + "Y" * 43,),
        created_at=1_795_000_000,
        summary="",
        approves=approves,
    )


def rules(text='[requirement]\nbenign = "is-benign"\n', *, scope="project", **settings):
    return Rules(scope=scope, policy=parse_policy(text), **settings)


def both(*audits, **more):
    """Evidence that the pinned and the newest head agree on."""
    return {"project": Evidence(pinned=audits, newest=audits, **more)}
