"""The journeys, word for word, on a real pseudo-terminal; `journeys/*.txt` are what people see."""

import hashlib
import json
import os
import shutil
import signal
import sys
import zipfile
from datetime import datetime, timedelta, timezone
from itertools import chain

import pytest

from openvet_install.gateway.blobs import BlobStore
from tests.e2e.test_commands import write_lock
from tests.support.attestations import SigstoreSimulator, github, provenance
from tests.support.journeys import on_terminal, play
from tests.support.logkeys import SimKey
from tests.support.logsim import write_project
from tests.support.stage import BENIGN, NO, WARN, YES, make_environment, validator
from tests.support.wheels import make_wheel, wheel_name

PUBLISHER = """
[[install.publisher]]
package = "acme-sign"
kind = "GitHub"
repository = "acme-org/acme-sign"
workflow = "release.yml"
"""
ENDS = '\n[[release]]\npackage = "{}"\nversion = "{}"\nuntil = {}\nowner = "o"\nhashes = ["sha256:{}"]\n'


class _Elsewhere(SimKey):
    """A key that signs something else than it is asked to."""

    def signature(self, namespace, message):
        return super().signature(namespace, message + b"!")


def days(count):
    return datetime.now(timezone.utc) - timedelta(days=count)


def aged(count):
    return {"upload_time": days(count).strftime("%Y-%m-%dT%H:%M:%SZ")}


@pytest.fixture
def home(stage):
    """A stage whose environment is the project's `.venv`, and whose policy was introduced already."""
    stage.environment = stage.project / ".venv"
    make_environment(stage.environment)
    del stage.variables["VIRTUAL_ENV"]
    return stage


def introduced(stage, text=BENIGN, *, logs=()):
    """Write a policy of the stage's log and of other ones, and let its first use be told."""
    every = [stage.log, *(stage.logs.log(name) for name in logs)]
    for log in every:
        if len(log.history) == 1:
            log.publish("nothing-here", "1", claims={})
    write_project(stage.project, sorted(every, key=lambda one: one.name), text)
    stage.run("openvet-pip", "install", "nothing-of-this-name")


def known(stage, *releases):
    """Write a baseline with releases (name, version, sha256)."""
    until = days(-200).date()
    text = "version = 1\n" + "".join(ENDS.format(name, version, until, digest) for name, version, digest in releases)
    (stage.project / "openvet.baseline.toml").write_text(text)


def yaml(stage):
    for minor in range(3):
        stage.wheel("acme-yaml", f"1.3.{minor}")
    digest = stage.wheel("acme-yaml", "1.4.0")
    stage.log.publish("acme-yaml", "1.4.0", sha256=digest, claims=NO, summary="reads cloud keys at import")


def test_1_first_run_on_a_fresh_machine(home):
    acme = home.logs.log("acme")
    for number in range(5):
        acme.publish(f"good{number}", "1.0", sha256=home.wheel(f"good{number}", "1.0"), claims=YES)
    for number in range(3):
        home.wheel(f"silent{number}", "1.0")
    names = [*(f"good{number}" for number in range(5)), *(f"silent{number}" for number in range(3))]
    write_lock(home, *names)
    play(home, "01-first-run", env={"LOG": acme.url})
    text = (home.project / "openvet.toml").read_text()
    assert 'benign = "is-benign"' in text
    assert (home.project / "openvet.lock").exists()
    assert (home.project / "openvet-install.lock").exists()


def test_2_blocked_contradicted(home):
    yaml(home)
    introduced(home)
    play(home, "02-contradicted")
    report = json.loads((home.project / "r.json").read_text())
    validator().validate(report)
    assert (report["outcome"], report["mode"], report["files"], report["held_back"]) == ("blocked", "block", [], [])
    assert report["command"] == ["pip", "install", "acme-yaml"]
    assert [one["reason"] for one in report["withheld"]] == ["contradicted", *["unaudited"] * 3]
    first = report["withheld"][0]
    assert first["purl"] == "pkg:pypi/acme-yaml@1.4.0"
    assert first["class"] == "no"
    assert first["requested_by"] == ["command line"]
    assert first["requirements"][0]["status"] == "contradicted"
    assert report["exemptions"] == {"used": 0, "unused": [], "ending": []}
    assert home.installed == {}


def test_3_warn_mode(home):
    yaml(home)
    home.wheel("httpx", "0.28.1", YES, requires=("anyio", "httpcore==1.*", "one", "two", "three", "four"))
    home.wheel("anyio", "4.16.0")
    home.wheel("httpcore", "1.0.9", {"reads-files": True})
    home.wheel("httpcore", "1.0.7", YES)
    home.wheel("four", "1.0", YES)
    introduced(home, WARN)
    known(home, *((name, "1.0", home.wheel(name, "1.0")) for name in ("one", "two", "three")))
    line = (home.project / "openvet.toml").read_text().splitlines().index('mode = "warn"') + 1
    path = home.project / "openvet.toml"
    path.write_text("\n" * (9 - line) + path.read_text())
    play(home, "03-warn")


def test_4_an_unaudited_transitive_dependency(home):
    home.wheel("flask", "3.1.3", YES, requires=("werkzeug>=3.1.0",))
    home.wheel("werkzeug", "3.0.6", YES)
    for patch in (0, 2, 4, 6, 8, 9):
        home.wheel("werkzeug", f"3.1.{patch}")
    introduced(home, logs=["acme"])
    play(home, "04-transitive")
    report = json.loads((home.project / "r.json").read_text())
    row = next(one for one in report["withheld"] if one["subject"].startswith("pypi:werkzeug@3.1.9?"))
    assert row["requested_by"] == ["command line", "flask==3.1.3: werkzeug>=3.1.0"]
    assert row["class"] == "silence"
    assert len(report["withheld"]) == 6


def test_5_sync(home):
    for name in ("one", "two", "cryptography"):
        home.wheel(name, "1.0", YES)
    write_lock(home, "one", "two", "cryptography")
    home.wheel("rich", "14.2.0", YES, offered=aged(100))
    home.wheel("rich", "15.0.0", offered=aged(41))
    home.wheel("httpx", "0.28.1")
    introduced(home)

    def pull():
        home.wheel("cryptography", "50.0.2")
        (home.project / "uv.lock").rename(home.folder / "uv.lock")
        write_lock(home, "one", "two", "cryptography")

    def back():
        (home.folder / "uv.lock").replace(home.project / "uv.lock")

    play(home, "05-sync", between={"git pull": pull, "git checkout": back})
    assert home.installed["cryptography"] == "1.0"
    assert home.installed["rich"] == "14.2.0"
    upgraded = home.run("openvet-uv", "lock", "--upgrade-package", "cryptography")
    assert "openvet: held back: cryptography 1.0, newest 50.0.2 is unaudited" in upgraded.err
    assert len(home.run("openvet-uv", "lock", "--upgrade").report["held_back"]) == 2
    assert "httpx" not in home.installed


def test_6_held_back_and_too_far(home):
    home.wheel("django", "5.2.9", YES, requires=("asgiref",), offered=aged(100))
    home.wheel("django", "6.0.1", requires=("asgiref",), offered=aged(12))
    home.wheel("asgiref", "3.13.0", YES, offered=aged(100))
    home.wheel("asgiref", "3.13.1", NO, offered=aged(3))
    home.wheel("flask", "1.1.4", YES, offered=aged(1751))
    for number in range(30):
        home.wheel("flask", f"2.{number}", offered=aged(1000 - number))
    home.wheel("flask", "3.1.3", offered=aged(10))
    introduced(home, logs=["acme"])
    play(home, "06-held-back")
    report = json.loads((home.project / "r.json").read_text())
    assert report["outcome"] == "allowed"
    assert report["held_back"][0] == {
        "package": "django", "chosen": "5.2.9", "newest": "6.0.1", "reason": "unaudited", "days": 12,
    }  # fmt: skip
    assert {one["reason"] for one in report["files"]} == {"approved"}


def test_7_adoption(home):
    acme, bob = home.logs.log("acme"), home.logs.log("bob")
    acme.publish("nothing-here", "1", claims={})

    def wheel(name, version, claims=None):
        digest = home.wheel(name, version)
        if claims is not None:
            acme.publish(name, version, sha256=digest, claims=claims)
        return digest

    wheel("goodlib", "1.0", YES)
    toml = acme.publish("acme-toml", "0.14.1", sha256=wheel("acme-toml", "0.14.1"), claims=YES)
    wheel("acme-yaml", "1.4.0", NO)
    wheel("click", "8.4.2", YES)
    found = {name: wheel(*name) for name in (("aiohttp", "3.14.1"), ("click", "8.5.1"), ("cryptography", "50.0.1"))}
    for name, version in (("aiohttp", "3.14.1"), ("click", "8.5.1")):
        bob.publish(name, version, sha256=found[name, version], claims=YES)
    write_lock(home, "goodlib", "acme-toml", "acme-yaml", "aiohttp", "click", "cryptography")
    wheel("cryptography", "50.0.2")
    write_project(home.project, [acme], BENIGN)

    def news():
        acme.publish("click", "8.5.1", sha256=found["click", "8.5.1"], claims=YES)
        acme.withdraw(toml)

    env = {"BOB": bob.url, "OPENVET_INSTALL_OWNER": "platform@example.com"}
    play(home, "07-adoption", env=env, between={"somebody publishes": news})


def test_9_continuous_integration(home):
    home.wheel("goodlib", "1.0", YES)
    digest = home.wheel("idna", "3.20")
    home.wheel("cryptography", "50.0.2")
    write_lock(home, "goodlib", "idna", "cryptography")
    introduced(home)
    known(home, ("idna", "3.20", digest))
    path = home.project / "openvet.baseline.toml"
    path.write_text(path.read_text().replace(str(days(-200).date()), str(days(-12).date())))
    (home.project / ".git").mkdir()
    play(home, "09-ci", env={"GITHUB_STEP_SUMMARY": str(home.folder / "summary.md")})
    (run,) = json.loads((home.project / "openvet.sarif").read_text())["runs"]
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("unaudited", "error")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "uv.lock"
    lines = (home.project / "uv.lock").read_text().splitlines()
    assert lines[place["region"]["startLine"]] == 'name = "cryptography"'
    assert first["partialFingerprints"]["subject/v1"].startswith("pypi:cryptography@50.0.2?py3-none-any#sha256:")


def test_10_air_gapped(home):
    for name in ("goodlib", "flask"):
        home.wheel(name, "1.0", YES)
    home.wheel("rich", "1.0", YES)
    write_lock(home, "goodlib", "flask")
    introduced(home, BENIGN + 'stale-after = "45d"\n', logs=["acme"])

    def inside():
        home.logs.stop()
        for name in ("cache", "state/openvet-install/looks.json"):
            path = home.folder / name
            path.unlink() if path.is_file() else shutil.rmtree(path)

    def later():
        path = home.project / "openvet.bundle"
        with zipfile.ZipFile(path) as before:
            members = {name: before.read(name) for name in before.namelist()}
        said = json.loads(members["bundle.json"])
        said["made"] = days(46).isoformat()
        members["bundle.json"] = json.dumps(said).encode()
        with zipfile.ZipFile(path, "w") as file:
            for name, raw in members.items():
                file.writestr(name, raw)

    play(home, "10-air-gapped", between={"no network": inside, "46 days later": later})


def test_11_a_log_host_that_lies_or_is_away(home):
    acme = home.logs.log("acme")
    acme.publish("flask", "3.1.3", sha256=home.wheel("flask", "3.1.3"), claims=YES)
    publisher = acme.add_key("ci", ("publisher",))
    for number in range(4):
        acme.publish(f"other{number}", "1", claims=YES, publisher=publisher)
    write_project(home.project, [acme], BENIGN + 'check-every = "0s"\n')
    home.run("openvet-pip", "install", "nothing-of-this-name")
    honest, acme_url = acme.fork("honest"), acme.url

    def fork():
        acme.repair()
        other = acme.fork("else", at=-3)
        for number in range(3):
            other.publish(f"evil{number}", "1", claims=YES)
        acme.become(other)

    def signature():
        acme.become(honest)
        acme.publish("more", "1", claims=YES, publisher=publisher)
        acme.amend(_Elsewhere("acme/ci"))

    def looked(ago):
        (path,) = (home.folder / "state" / "openvet-install").glob("*.json")
        data = json.loads(path.read_text())
        for look in chain.from_iterable(data.values()):
            look["checked"] = (datetime.now(timezone.utc) - ago).isoformat()
        path.write_text(json.dumps(data))

    def away():
        acme.become(honest)
        home.run("openvet-pip", "install", "flask")
        home.logs.stop()
        looked(timedelta(hours=3, minutes=5))

    def too_long():
        looked(timedelta(days=8, minutes=5))
        path = home.project / "openvet.toml"
        path.write_text(
            f'{path.read_text()}\n[install.log.acme]\nmirrors = ["{acme_url.removesuffix("acme")}mirror"]\n'
        )

    play(home, "11-lying-host", between={
        "a rollback": lambda: acme.roll_back(2), "a fork": fork, "a signature": signature, "host away": away,
        "for too long": too_long,
    })  # fmt: skip


def test_12_provenance_and_the_whole_evidence(home):
    """One wheel was read, another one with its content is offered: by whom it was built is asked of that one."""
    acme, alice = home.logs.log("acme"), home.log
    sigstore = SigstoreSimulator()
    sbom = json.dumps({"spdxVersion": "SPDX-2.3", "packages": [{}] * 14})
    modules = {f"acme_sign/m{number}.py": "" for number in range(22)} | {"acme_sign/__init__.py": ""}

    def offer(version, repository, **files):
        body = make_wheel("acme-sign", version, files=modules | files)
        name = wheel_name("acme-sign", version)
        digest = hashlib.sha256(body).hexdigest()
        signed = sigstore.attest(name, digest, **github(repository, "release.yml", f"refs/tags/v{version}"))
        document = provenance(signed) if repository else None
        home.wheel("acme-sign", version, body=body, offered={**aged(30), "provenance": document})
        return digest

    digest = offer("2.0.3", "acme-org/acme-sign", **{"acme_sign-2.0.3.dist-info/sboms/build.spdx.json": sbom})
    alice.publish("acme-sign", "2.0.3", sha256=digest, claims={"reads-files": True})
    for version, repository in (("2.0.4", "acme-fork/acme-sign"), ("2.1.0", "")):
        acme.publish("acme-sign", version, sha256=offer(version, repository), claims=YES)
    read = make_wheel("acme-sign", "2.0.3", tag="py2.py3-none-any", files=modules)
    audited = BlobStore(home.folder / "cache" / "openvet-install" / "files").add([read]).sha256
    acme.publish("acme-sign", "2.0.3", variant="py2.py3-none-any", sha256=audited, claims=YES)
    user = home.folder / "config" / "openvet"
    write_project(user, [acme], BENIGN + 'carry = "content"\ntrust-root = "root.json"\n')
    sigstore.write_root(user / "root.json")
    for name in ("openvet.toml", "openvet.lock", "openvet-install.lock"):
        (user / name).rename(user / name.replace("openvet.toml", "openvet-install.toml"))
    introduced(home, BENIGN + 'carry = "content"\n' + PUBLISHER, logs=["acme"])
    assert home.run("openvet-pip", "install", "acme-sign==2.0.3").code == 0
    acme.publish("other", "1", claims=YES)
    for path in (home.folder / "state" / "openvet-install").glob("*.json"):
        path.unlink()
    play(home, "12-provenance")


def test_13_drift(home):
    home.wheel("goodlib", "1.0", YES)
    home.wheel("acme-http", "2.1.0", YES, files={"acme_http/__init__.py": "", "acme_http/client.py": "GOOD = 1\n"})
    toml = home.log.publish("acme-toml", "0.14.1", sha256=home.wheel("acme-toml", "0.14.1"), claims=YES)
    introduced(home, BENIGN + 'check-every = "0s"\n')
    assert home.run("openvet-pip", "install", "goodlib", "acme-http", "acme-toml").code == 0
    (site,) = home.environment.glob("lib/python*/site-packages")

    def somebody():
        (site / "acme_http" / "client.py").write_text("EVIL = 1\n")
        (site / "zz_hook.pth").write_text("import os\n")
        home.log.withdraw(toml)

    play(home, "13-drift", between={"somebody was here": somebody})


def test_14_doctor_and_config(home):
    home.wheel("pip", "26.3", offered=aged(3))
    introduced(home, BENIGN + 'mode = "warn"\n', logs=["acme"])
    user = home.folder / "config" / "openvet"
    user.mkdir(parents=True)
    (user / "openvet-install.toml").write_text(
        '[install]\nmode = "warn"\nisolation = "off"\n\n[requirement]\nbenign = "is-benign"\n'
    )
    play(home, "14-doctor")


def test_15_refused(home):
    home.wheel("flask", "3.1.3", YES)
    text = '[requirement]\nbenign = "is-benign"\n\n\n\n\n[install]\nisolation = "off"\ncooldwon = "7d"\n'
    write_project(home.project, [home.log], text)
    path = home.project / "openvet.toml"
    good = path.read_text().replace('cooldwon = "7d"\n', "")

    def key():
        write_lock(home, "flask")
        (home.project / "uv.toml").write_text('# ours\n\nhttp-proxy = "http://proxy.example:3128"\n')

    play(home, "15-refused", between={
        "a typing error": lambda: None, "put right": lambda: path.write_text(good), "a key of uv": key,
    })  # fmt: skip


def test_16_plain_terminals(home):
    yaml(home)
    python = f"cp3{sys.version_info.minor}"
    home.wheel("aiohttp", "3.14.1", tag=f"{python}-{python}-manylinux_2_17_x86_64")
    write_lock(home, "acme-yaml", "aiohttp")
    introduced(home)
    play(home, "16-plain")


def test_16_interrupted(home):
    home.index.lies.slow = 0.2
    for name in ("blinker", "click"):
        home.wheel(name, "1.0", YES)
    big = os.urandom(3_000_000).hex()
    home.wheel("flask", "3.1.3", YES, requires=("blinker", "click"), files={"flask.py": big})
    introduced(home)
    code, shown = on_terminal(home, "openvet-pip install flask", interrupt_at=b"Collecting flask")
    assert code == 128 + signal.SIGINT
    assert shown.splitlines()[-1].startswith("openvet: failed, interrupted; ")
    assert "Traceback" not in shown
    assert home.leftovers == []
