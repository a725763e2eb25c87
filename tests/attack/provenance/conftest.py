"""A stage whose project asks for provenance of `acme-sign`, below a trust root that the user's policy names."""

import hashlib
import json

import pytest

from tests.support.attestations import SigstoreSimulator, github, provenance
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

REPOSITORY, WORKFLOW, TAG = "acme-org/acme-sign", "release.yml", "refs/tags/v1"
RULE = f"""
[[install.publisher]]
package = "acme-sign"
kind = "GitHub"
repository = "{REPOSITORY}"
workflow = "{WORKFLOW}"
"""


class Supply:
    """Puts releases of acme-sign on the stage's index, with audits and with any provenance."""

    def __init__(self, stage, sigstore):
        self.stage = stage
        self.sigstore = sigstore
        self.user = stage.folder / "config" / "openvet"
        self.user.mkdir(parents=True)
        self.root = sigstore.write_root(self.user / "root.json")

    def policy(self, rules=RULE, text=BENIGN):
        """The project's policy has the rules, the user's the same log and requirement, and the trust root."""
        self.stage.policy(text + rules)
        for name in ("openvet.lock", "openvet-install.lock"):
            (self.user / name).write_bytes((self.stage.project / name).read_bytes())
        log = (self.stage.project / "openvet.toml").read_text().partition("[requirement]")[0]
        (self.user / "openvet-install.toml").write_text(f'{log}{text}trust-root = "{self.root.name}"\n')

    def wheel(self, version="1.0", *, tag="py3-none-any", claims=YES, document=None, name="acme-sign", **who):
        body = make_wheel(name, version, tag=tag)
        filename = wheel_name(name, version, tag)
        served = self.document(filename, body, **who) if document is None else document
        self.stage.wheel(name, version, claims, tag=tag, body=body, offered={"provenance": served or None})
        return filename

    def sdist(self, version="1.0", *, claims=YES, document=None, **who):
        body = make_sdist("acme-sign", version, marker=self.stage.marker)
        filename = sdist_name("acme-sign", version)
        served = self.document(filename, body, **who) if document is None else document
        self.stage.index.add(body, filename=filename, provenance=served or None)
        self.stage._audit("acme-sign", version, "sdist", body, claims)
        return filename

    def document(self, filename, body, *, repository=REPOSITORY, workflow=WORKFLOW, ref=TAG, publisher=None, **more):
        return provenance(self.attest(filename, body, repository=repository, workflow=workflow, ref=ref, **more),
                          publisher=publisher)  # fmt: skip

    def attest(self, filename, body, *, repository=REPOSITORY, workflow=WORKFLOW, ref=TAG, claims=None, **more):
        known = {key: more.pop(key) for key in ("environment", "runner", "owner_id", "repository_id") if key in more}
        options = github(repository, workflow, ref, **known)
        options["claims"] |= claims or {}
        return self.sigstore.attest(filename, hashlib.sha256(body).hexdigest(), **(options | more))

    def asked(self):
        return [one.path for one in self.stage.index.requests if one.path.startswith("/integrity/")]


@pytest.fixture(scope="session")
def sigstore():
    return SigstoreSimulator()


@pytest.fixture
def supply(stage, sigstore):
    return Supply(stage, sigstore)


def reasons(ended):
    """Reasons of what was withheld, by version."""
    return {one["subject"].partition("@")[2].partition("?")[0]: one["reason"] for one in ended.report["withheld"]}


def loaded(document):
    return json.loads(document)
