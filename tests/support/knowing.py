"""A project with pins, and what the logs say of a file in one run of it."""

from __future__ import annotations

from datetime import datetime, timezone

from openvet_install.config import read_policy
from openvet_install.decide import NOTHING, decide
from openvet_install.files import File
from openvet_install.gate import bundling
from openvet_install.gate.bundles import Bundles
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.setting import setting
from openvet_install.gate.state import Looks
from openvet_install.http import Fetcher
from tests.support.logsim import START, write_project

BENIGN = '[requirement]\nbenign = "is-benign"\n'
YES, NO = {"is-benign": True}, {"is-benign": False}
NOW = datetime.fromtimestamp(START + 1000, timezone.utc)


class Project:
    """A project with pins, and what is known in one run of it."""

    def __init__(self, folder, store):
        self.folder = folder
        self.store = store
        self.looks = Looks(folder / "state")

    def pin(self, *logs, policy=BENIGN, tables=""):
        write_project(self.folder / "project", logs, policy + tables)

    def choose(self, now=NOW):
        policy = read_policy("project", self.folder / "project" / "openvet.toml", now.date())
        self.chosen = setting([policy], mode=None, variables=(), now=now)
        return self.chosen

    def bundle(self, *names, now=NOW, files=()):
        """Write the project's bundle; return its path."""
        environ = {f"XDG_{name}_HOME": str(self.folder / "maker" / name) for name in ("CACHE", "STATE")}
        path = self.folder / "project" / "openvet.bundle"
        path.write_bytes(bundling.make(self.choose(now), names, files, environ).raw)
        return path

    def known(self, *, now=NOW, offline=False, store=None):
        (policy,) = self.choose(now).policies
        with Fetcher(environ={}, tries=1) as fetcher:
            knowledge = Knowledge(
                [policy],
                fetcher=fetcher,
                store=self.store if store is None else store,
                looks=self.looks,
                now=now,
                offline=offline,
                bundles=Bundles(),
            )
            knowledge.open()
            self.opened = knowledge
            return lambda file: decide(file, knowledge.evidence(file) or {"project": NOTHING}, self.chosen.rules, now)

    def reason(self, subject, **how):
        return self.known(**how)(file_of(subject)).reason


def file_of(subject, filename=None):
    written = subject.package.replace("-", "_")
    name = filename or f"{written}-{subject.version}-{subject.variant}.whl"
    return File(
        name=subject.package,
        version=subject.version,
        filename=name,
        url=f"https://files.example/{name}",
        index="https://index.example/simple",
        sha256=subject.sha256,
    )
