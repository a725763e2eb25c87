"""T53-T56, T59, T61-T68: policies that loosen, logs that lie, at the level of whole commands."""

import json

import pytest

from openvet_install.openvet.pins import Pin, Walked, read_pins, read_walked, write_pins, write_walked
from openvet_install.openvet.subject import Subject, TaggedHash
from tests.support.attacks import BOTH, EVERY_RUN, PIP, UV, backend, everything, stopped
from tests.support.logsim import SimKey
from tests.support.stage import BENIGN, NO, WARN, YES


@BOTH
def test_a_log_that_only_the_lock_names(stage, tool):
    stage.wheel("evil", "1.0")
    stage.policy(WARN)
    mallory = stage.logs.log("mallory")
    mallory.publish("evil", "1.0", sha256="00" * 32, claims=YES)
    pins = read_pins(stage.project / "openvet.lock")
    write_pins(stage.project / "openvet.lock", {**pins, "mallory": Pin(mallory.url, mallory.head)})
    walked = read_walked(stage.project / "openvet-install.lock")
    anchor = {"mallory": Walked((mallory.operator_fingerprint,), mallory.head)}
    write_walked(stage.project / "openvet-install.lock", {**walked, **anchor})
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 78, before=before)


POLICIES = {
    "none": "[install]\nmode = 'warn'\n",
    "empty": "[requirement]\n[install]\nmode = 'warn'\n",
    "no default": "[requirement.benign]\ncondition = 'is-benign'\ndefault = false\n[install]\nmode = 'warn'\n",
    "override": WARN + "[[override]]\npackage = 'evil'\nrequirements = []\n",
    "typo": "[requirement.benign]\ncondition = 'is-benign'\ndefualt = false\n[install]\nmode = 'warn'\n",
    "typo in override": WARN + "[[override]]\npackage = 'evil'\nrequiremnts = []\n",
    "until": WARN + (
        "[[install.exempt]]\npackage = 'evil'\nhashes = ['sha256:" + "0" * 64 + "']\nowner = 'a'\nreason = 'b'\n"
        "until = 2999-01-01\n"
    ),
    "until text": WARN + (
        "[[install.exempt]]\npackage = 'evil'\nhashes = ['sha256:" + "0" * 64 + "']\nowner = 'a'\nreason = 'b'\n"
        "until = 'never'\n"
    ),
    "no owner": WARN + "[[install.exempt]]\npackage = 'evil'\nversion = '1.0'\nindex = 'x'\nuntil = 2026-12-01\n",
    "mode": BENIGN + "mode = 'allow'\n",
    "deep": f"[requirement]\nbenign = \"{'(' * 5000}is-benign{')' * 5000}\"\n",
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_policies_that_would_let_everything_in(stage, name):
    tool = PIP if len(name) % 2 else UV
    stage.wheel("evil", "1.0", {"is-benign": False} if name == "override" else None)
    stage.policy(POLICIES[name])
    before = everything(stage)
    ended = stage.run(*tool, "evil")
    stopped(stage, ended, 77, 78, before=before)


@BOTH
def test_an_exemption_that_has_ended(stage, tool):
    digest = stage.wheel("evil", "1.0")
    stage.policy(
        BENIGN + f"[[install.exempt]]\npackage = 'evil'\nhashes = ['sha256:{digest}']\nowner = 'a'\nreason = 'b'\n"
        "until = 2026-11-01\n"
    )
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 77, 78, before=before)


@BOTH
def test_a_build_that_edits_the_policy_and_the_pins(stage, tool):
    # Everything was read before the tool started; the build needs `late`, which only its own edits would let in.
    project, state = str(stage.project), str(stage.folder / "state/openvet-install/looks.json")
    code = (
        "import glob, os\n"
        f"open({project!r} + '/openvet.toml', 'w').write('[install]\\nmode = \"record\"\\n')\n"
        f"open({project!r} + '/openvet.lock', 'w').write('')\n"
        f"open({state!r}, 'w').write('{{}}')\n"
        f"[os.unlink(one) for one in glob.glob({str(stage.folder / 'cache')!r} + '/openvet-install/objects/*')]\n"
    )
    stage.sdist("source", "1.0", YES, backend=backend(stage, "source", "1.0", code, requires=("late",)))
    stage.wheel("late", "1.0", NO)
    stage.policy(WARN)
    ended = stage.run(*tool, "source", "late")
    assert ended.code == 77, ended.err
    assert stage.installed == {}


def forged(stage, digest):
    """A revoked publisher that goes on signing, with pointers that say it may."""
    publisher = stage.log.add_key("publisher", ("publisher",))
    stage.log.publish("x", "1", publisher=publisher, claims={})
    stage.log.revoke(publisher)
    stage.policy(EVERY_RUN)
    stage.log.publish("evil", "1.0", sha256=digest, claims=YES, publisher=publisher)


@pytest.mark.parametrize(("tool", "how"), [(PIP, "head"), (UV, "head"), (UV, "pin")])
def test_a_revoked_key_that_goes_on_signing(stage, tool, how):
    digest = stage.wheel("evil", "1.0")
    forged(stage, digest)
    if how != "head":
        write_pins(stage.project / "openvet.lock", {"alice": Pin(stage.log.url, stage.log.head)})
    before = everything(stage)
    ended = stage.run(*tool, "evil")
    stopped(stage, ended, 65, before=before)
    assert stage.index.requests == []


def mischief(stage, how, digest):
    log = stage.log
    if how == "generation":
        log.new_generation()
        log.publish("evil", "1.0", sha256=digest, claims=YES)
    elif how == "two generations":
        log.new_generation("a")
        log.new_generation("b")
        log.publish("evil", "1.0", sha256=digest, claims=YES)
    elif how == "another log":
        other = stage.logs.log("other")
        other.publish("evil", "1.0", sha256=digest, claims=YES)
        log.become(other)
    elif how == "fork":
        other = log.fork("other", at=len(log.history) - 2)
        other.publish("evil", "1.0", sha256=digest, claims=YES)
        other.publish("more", "1.0", claims=YES)
        log.become(other)
    elif how == "shorter fork":
        other = log.fork("other", at=0)
        other.publish("evil", "1.0", sha256=digest, claims=YES)
        log.become(other)
    elif how == "wrong signer":
        log.publish("evil", "1.0", sha256=digest, claims=YES)
        log.amend(SimKey("mallory"))
    elif how == "named signer":
        log.publish("evil", "1.0", sha256=digest, claims=YES)
        log.amend(SimKey("mallory"), named=log.owner)
    elif how == "junk head":
        log.serve(b"x" * 31)


HOWS = [
    "generation",
    "two generations",
    "another log",
    "fork",
    "shorter fork",
    "wrong signer",
    "named signer",
    "junk head",
]


@pytest.mark.parametrize("how", HOWS)
def test_a_host_that_serves_something_else(stage, how):
    tool = PIP if len(how) % 2 else UV
    digest = stage.wheel("evil", "1.0")
    stage.log.publish("before", "1", claims={})
    stage.policy(EVERY_RUN)
    mischief(stage, how, digest)
    before = everything(stage)
    pins = (stage.project / "openvet.lock").read_bytes()
    ended = stage.run(*tool, "evil")
    stopped(stage, ended, 65, 69, before=before)
    assert (stage.project / "openvet.lock").read_bytes() == pins
    if how != "junk head":
        assert ended.code == 65


@BOTH
def test_a_pin_that_somebody_moved_to_a_forged_head(stage, tool):
    digest = stage.wheel("evil", "1.0")
    stage.policy(BENIGN)
    stage.log.publish("evil", "1.0", sha256=digest, claims=YES)
    forged_head = stage.log.amend(SimKey("mallory"))
    stage.log.serve(read_pins(stage.project / "openvet.lock")["alice"].head)
    write_pins(stage.project / "openvet.lock", {"alice": Pin(stage.log.url, forged_head)})
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 65, before=before)


@BOTH
def test_an_install_without_pin_or_anchor_is_78(stage, tool):
    stage.wheel("evil", "1.0", YES)
    stage.policy(WARN)
    before = everything(stage)
    (stage.project / "openvet-install.lock").unlink()
    stopped(stage, stage.run(*tool, "evil"), 78, before=before)
    (stage.project / "openvet.lock").unlink()
    stopped(stage, stage.run(*tool, "evil"), 78, before=before)


@BOTH
def test_an_old_head_brings_no_approval_back(stage, tool):
    # Withdrawn at the pin; the host serves the head before that.
    digest = stage.wheel("evil", "1.0", YES)
    stage.log.withdraw(Subject.parse(f"pypi:evil@1.0?py3-none-any#sha256:{digest}"))
    stage.policy(EVERY_RUN.replace('mode = "warn"\n', ""))
    stage.log.roll_back(1)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 77, before=before)


@pytest.mark.parametrize(("tool", "signer"), [(PIP, "stranger"), (UV, "publisher"), (PIP, "revoked"), (UV, "none")])
def test_audits_by_keys_that_are_no_auditors(stage, tool, signer):
    digest = stage.wheel("evil", "1.0")
    keys = {
        "stranger": lambda: [SimKey("mallory")],
        "publisher": lambda: [stage.log.add_key("p", ("publisher",))],
        "revoked": lambda: [stage.log.add_key("r", ("auditor",))],
        "none": list,
    }[signer]()
    stage.log.publish("evil", "1.0", sha256=digest, claims=YES, auditors=keys)
    if signer == "revoked":
        stage.log.revoke(keys[0])
    stage.policy(BENIGN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil"), 65, 77, before=before)


SPELLINGS = {
    "name": ("Evil_Thing", "1.0", "py3-none-any", "sha256"),
    "version": ("evil-thing", "1.0.0", "py3-none-any", "sha256"),
    "variant": ("evil-thing", "1.0", "py2-none-any", "sha256"),
    "no variant": ("evil-thing", "1.0", None, "sha256"),
    "another package": ("harmless", "7", "py3-none-any", "sha256"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_no_under_another_spelling(stage, spelling):
    tool, when = (PIP, "pinned") if len(spelling) % 2 else (UV, "newer")
    digest = stage.wheel("evil-thing", "1.0", YES)
    name, version, variant, algorithm = SPELLINGS[spelling]
    subject = Subject("pypi", name, version, variant, TaggedHash(algorithm, bytes.fromhex(digest)))
    if when == "newer":
        stage.policy(EVERY_RUN)
        stage.log.insert(subject, claims=NO)
    else:
        stage.log.insert(subject, claims=NO)
        stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "evil-thing"), 77, before=before)


@BOTH
def test_two_policies_are_both_obeyed(stage, tool):
    stage.wheel("evil", "1.0")
    stage.policy(WARN)
    user = stage.folder / "config/openvet"
    user.mkdir(parents=True)
    (user / "openvet-install.toml").write_text('[requirement]\nbenign = "is-benign"\n[install]\nmode = "block"\n')
    before = everything(stage)
    ended = stage.run(*tool, "evil")
    stopped(stage, ended, 77, before=before)
    assert json.dumps(ended.report["policies"]).count("sha256") == 2
