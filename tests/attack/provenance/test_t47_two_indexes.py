"""T47: a supplier's index beside another one. A package bound to an index is never taken from elsewhere."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.attack.provenance.conftest import RULE, Supply, reasons
from tests.support.attestations import IDENTITY, ISSUER, SigstoreSimulator, provenance
from tests.support.indexsim import IndexSimulator
from tests.support.stage import BENIGN, WARN, YES
from tests.support.wheels import make_wheel, wheel_name

LOGIN = ("me", "secret")
NAME = "acme-math"


@pytest.fixture(scope="module")
def sigstore():
    return SigstoreSimulator()


@pytest.fixture
def supplier():
    with IndexSimulator(host="localhost") as index:
        yield index


class Stacked(Supply):
    """Another index, of a supplier who rebuilds packages and attests each file; audits are the project's own."""

    def __init__(self, stage, sigstore, supplier):
        super().__init__(stage, sigstore)
        self.supplier = supplier
        self.netrc = stage.folder / "netrc"
        self.netrc.write_text(f"machine localhost login {LOGIN[0]} password {LOGIN[1]}\n")
        self.netrc.chmod(0o600)

    def rebuilt(self, version="1.0+cgr.1", *, claims=YES, name=NAME, **more):
        body = make_wheel(name, version)
        filename = wheel_name(name, version)
        document = provenance(self.attest_url(filename, body, **more), publisher={"kind": "URL"})
        self.supplier.add(body, filename=filename, provenance=document)
        self.stage._audit(name, version, "py3-none-any", body, claims)
        return filename

    def attest_url(self, filename, body, **more):
        return self.sigstore.attest(filename, sha256(body).hexdigest(), **more)

    def rule(self, package=f'"{NAME}"', **more):
        keys = {"issuer": f'"{ISSUER}"', "identity": f'"{IDENTITY}"', "index": f'"{self.supplier.simple_url}"'} | more
        lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
        return f'\n[[install.publisher]]\npackage = {package}\nkind = "URL"\n{lines}'

    def pip(self, what=NAME, *more):
        index = ("--extra-index-url", self.supplier.simple_url)
        return self.stage.run("openvet-pip", "install", what, *index, *more, env={"NETRC": str(self.netrc)})

    def uv(self, what=NAME, *more):
        index = ("--index", self.supplier.simple_url)
        return self.stage.run("openvet-uv", "pip", "install", what, *index, *more, env={"NETRC": str(self.netrc)})


@pytest.fixture
def stacked(stage, sigstore, supplier):
    return Stacked(stage, sigstore, supplier)


def test_their_provenance_and_our_audits(stacked):
    stacked.rebuilt()
    stacked.rebuilt("1.1+cgr.1", claims=None)
    stacked.rebuilt("1.2+cgr.1", identity="https://issuer.example/builders/images")
    stacked.policy(stacked.rule())
    for run in (stacked.pip, stacked.uv):
        ended = run()
        assert ended.code == 0, ended.err
        assert stacked.stage.installed == {"acme_math": "1.0+cgr.1"}
        (file,) = ended.report["files"]
        assert file["provenance"]["publisher"]["issuer"] == ISSUER
        assert reasons(ended) == {"1.1+cgr.1": "unaudited", "1.2+cgr.1": "provenance-mismatch"}
        stacked.stage.run("openvet-uv", "pip", "uninstall", NAME)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_the_login_of_the_tool_is_used_for_documents(stacked, tool):
    stacked.rebuilt()
    stacked.supplier.lies.login = LOGIN
    stacked.policy(stacked.rule())
    ended = getattr(stacked, tool)()
    assert ended.code == 0, ended.err
    asked = [one for one in stacked.supplier.requests if one.path.startswith("/integrity/")]
    assert any("authorization" in one.headers for one in asked)
    assert "secret" not in ended.out + ended.err + str(ended.report)
    assert not any("authorization" in one.headers for one in stacked.stage.index.requests)


@pytest.mark.parametrize("pattern", ['"acme-math"', '"acme-*"', '"*"', '"Acme.Math"'])
def test_the_same_name_elsewhere_is_a_mismatch(stacked, pattern):
    """A higher version on the other index, approved by an audit and built by whomever."""
    stacked.rebuilt()
    stacked.wheel("9.0", name=NAME)
    stacked.policy(stacked.rule(pattern))
    ended = stacked.pip()
    assert ended.code == 0, ended.err
    assert stacked.stage.installed == {"acme_math": "1.0+cgr.1"}
    assert reasons(ended) == {"9.0": "provenance-mismatch"}
    assert "newest 9.0 is provenance-mismatch" in ended.err


@pytest.mark.parametrize("text", [BENIGN, WARN], ids=["block", "warn"])
def test_a_silent_file_elsewhere_is_a_mismatch_in_every_mode(stacked, text):
    stacked.wheel("9.0", name=NAME, claims=None, document=b"")
    stacked.policy(stacked.rule(required="false"), text)
    ended = stacked.pip()
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"9.0": "provenance-mismatch"}
    assert stacked.stage.installed == {}


def test_uv_and_its_first_index(stacked):
    """uv stays with the first index that knows a name: all is withheld there, nothing is taken from the other."""
    stacked.rebuilt()
    stacked.wheel("9.0", name=NAME)
    stacked.policy(stacked.rule(index=f'"{stacked.stage.index.simple_url}"'))
    ended = stacked.uv()
    assert ended.code == 77, ended.err
    assert reasons(ended)["1.0+cgr.1"] == "provenance-mismatch"
    assert stacked.stage.installed == {}


def test_a_narrow_rule_goes_before_a_wide_one(stacked):
    """The supplier may build everything but what is named to be somebody else's."""
    stacked.rebuilt(name="acme-sign")
    stacked.policy(stacked.rule('"*"') + RULE)
    ended = stacked.pip("acme-sign")
    assert ended.code == 77, ended.err
    assert reasons(ended) == {"1.0+cgr.1": "provenance-mismatch"}


def test_a_document_on_the_other_index_is_not_asked_for(stacked):
    filename = stacked.rebuilt()
    entry = stacked.supplier.entries[filename]
    entry.extra["provenance"] = stacked.stage.index.origin + "/integrity/x/1/y/provenance"
    stacked.policy(stacked.rule())
    assert stacked.pip().code == 0  # at the supplier's own integrity path
    assert stacked.asked() == []


EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "chainguard" / "openvet.toml"


def test_the_example_does_what_its_page_says(stacked):
    rules = EXAMPLE.read_text("utf-8").partition('mode = "block"\n')[2]
    rules = rules.replace("https://libraries.example/python/simple/", stacked.supplier.simple_url + "/")
    rules = rules.replace("https://issuer.enforce.dev/REPLACE-WITH-THE-IDENTITY-THAT-YOUR-SUPPLIER-NAMES", IDENTITY)
    rules = rules.replace("https://issuer.enforce.dev", ISSUER)
    stacked.supplier.lies.login = LOGIN
    stacked.rebuilt()
    stacked.wheel("9.0", name=NAME)
    stacked.wheel()
    stacked.policy(rules)
    ended = stacked.pip(NAME, "acme-sign")
    assert ended.code == 0, ended.err
    assert stacked.stage.installed == {"acme_math": "1.0+cgr.1", "acme_sign": "1.0"}
    assert reasons(ended) == {"9.0": "provenance-mismatch"}


def test_explain_and_doctor_of_an_index_that_asks_for_a_login(stacked):
    stacked.supplier.lies.login = LOGIN
    stacked.rebuilt()
    stacked.policy(stacked.rule())
    env = {"NETRC": str(stacked.netrc), "PIP_INDEX_URL": stacked.supplier.simple_url}
    ended = stacked.stage.run("openvet-install", "explain", NAME, env=env)
    assert ended.code == 0, ended.err
    assert f"├─ provenance: ✓ {ISSUER} {IDENTITY}, 2026-06-02" in ended.out
    ended = stacked.stage.run("openvet-install", "doctor", env=env)
    assert f"✓ provenance: trust root of {stacked.root}, newest key of {stacked.sigstore.since.date()}" in ended.out
    ended = stacked.stage.run("openvet-install", "explain", NAME, env=env | {"NETRC": "/nonexistent"})
    assert ended.code == 69
