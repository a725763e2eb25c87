from datetime import date

import pytest

from openvet_install.config import read_policy
from openvet_install.config.publishers import KINDS
from openvet_install.errors import ConfigError, InstallError

TODAY = date(2026, 11, 23)
GITHUB = 'kind = "GitHub"\nrepository = "acme/sign"\nworkflow = "release.yml"\n'


def read(folder, entry, *, scope="project", install=""):
    path = folder / "openvet.toml"
    path.write_text(f"[install]\n{install}[[install.publisher]]\n{entry}")
    return read_policy(scope, path, TODAY).settings


def faults(folder, entry, **more):
    with pytest.raises(InstallError) as caught:
        read(folder, entry, **more)
    assert caught.value.exit_code == ConfigError.exit_code
    return "; ".join(f"{one.what} {one.hint or ''}" for one in getattr(caught.value, "faults", [caught.value]))


def test_a_rule_with_everything(tmp_path):
    (rule,) = read(
        tmp_path,
        'package = "Acme_Sign"\nindex = "https://index.example/simple"\nrequired = false\n' + GITHUB
        + 'environment = "pypi"\nref = "refs/tags/*"\nrunner = "github-hosted"\nowner-id = 12\nrepository-id = "34"\n',
    ).publishers  # fmt: skip
    assert (rule.package, rule.required, rule.owner_id, rule.repository_id) == ("acme-sign", False, "12", "34")
    assert rule.where == "openvet.toml:2"


def test_a_rule_is_required_unless_it_says_otherwise(tmp_path):
    (rule,) = read(tmp_path, 'package = "*"\n' + GITHUB).publishers
    assert rule.required


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_needs_its_keys(tmp_path, kind):
    told = faults(tmp_path, f'package = "x"\nkind = "{kind}"\n')
    for key in KINDS[kind][0]:
        assert f'kind = "{kind}" needs `{key}`' in told


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ('package = "x"\n', "`kind` is missing"),
        ('package = "x"\nkind = "Github"\n', "did you mean `GitHub`?"),
        (GITHUB, "`package` is missing"),
        ('package = "a?c"\n' + GITHUB, "a name, or a pattern"),
        ('package = "x"\nidentity = "me"\n' + GITHUB, "`identity` says nothing about"),
        ('package = "x"\nissuer = "https://i.example"\n' + GITHUB, "`issuer` says nothing about"),
        ('package = "x"\nrepositry = "a/b"\n' + GITHUB, "did you mean `repository`?"),
        ('package = "x"\nref = "main"\n' + GITHUB, "`ref` is written"),
        ('package = "x"\nref = "refs/tags/v[0-9]"\n' + GITHUB, "`ref` is written"),
        ('package = "x"\nowner-id = "acme"\n' + GITHUB, "as digits"),
        ('package = "x"\nindex = "file:///d"\n' + GITHUB, "http(s) address"),
        ('package = "x"\nindex = "http://[::1"\n' + GITHUB, "http(s) address"),
        ('package = "x"\nindex = "https://h:99999/"\n' + GITHUB, "http(s) address"),
        ('package = "x"\nkind = []\n', "`kind`"),
        ('package = "x"\nindex = "https://me:secret@index.example/simple"\n' + GITHUB, "holds a login"),
        ('package = "x"\nrequired = "yes"\n' + GITHUB, "true or false"),
        (
            'package = "x"\nkind = "GitHub"\nrepository = "https://github.com/a/b"\nworkflow = "r.yml"\n',
            "OWNER/NAME",
        ),
        (
            'package = "x"\nkind = "GitHub"\nrepository = "a/b"\nworkflow = ".github/workflows/r.yml"\n',
            "the file's name",
        ),
        ('package = "x"\nkind = "GitHub"\nrepository = ""\nworkflow = "r.yml"\n', "needs `repository`"),
    ],
)
def test_a_loose_rule_is_refused(tmp_path, entry, what):
    assert what in faults(tmp_path, entry)


def test_a_project_has_no_trust_root_of_its_own(tmp_path):
    (tmp_path / "root.json").write_text("{}")
    line = 'trust-root = "root.json"\n'
    assert "machine and user policies" in faults(tmp_path, 'package = "x"\n' + line + GITHUB)
    assert "machine and user policies" in faults(tmp_path, 'package = "x"\n' + GITHUB, install=line)


@pytest.mark.parametrize("place", ["n" * 300, "~nobody-here/root.json", "none.json", "."])
def test_a_trust_root_that_is_no_file(tmp_path, place):
    line = f'trust-root = "{place}"\n'
    assert "no such file" in faults(tmp_path, 'package = "x"\n' + GITHUB, install=line, scope="machine")


def test_the_machine_names_a_trust_root_beside_its_policy(tmp_path):
    (tmp_path / "root.json").write_text("{}")
    settings = read(
        tmp_path, 'package = "x"\ntrust-root = "root.json"\n' + GITHUB, scope="machine",
        install='trust-root = "root.json"\n',
    )  # fmt: skip
    assert settings.trust_root == settings.publishers[0].trust_root == tmp_path / "root.json"


def test_a_trust_root_that_is_missing_is_told(tmp_path):
    assert "no such file" in faults(tmp_path, 'package = "x"\ntrust-root = "r.json"\n' + GITHUB, scope="user")


def test_another_trust_root_is_another_policy(tmp_path):
    def digest(root):
        (tmp_path / "root.json").write_text(root)
        path = tmp_path / "openvet.toml"
        path.write_text('[install]\ntrust-root = "root.json"\n')
        return read_policy("user", path, TODAY).sha256

    assert digest("{}") == digest("{}") != digest("[]")
