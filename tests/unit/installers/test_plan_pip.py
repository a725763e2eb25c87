import os
import stat
import subprocess
from pathlib import Path

import pytest

from openvet_install.errors import ConfigError, FaultsError, UsageError
from openvet_install.installers import pip
from openvet_install.installers.commands import Input, default_index, http_url, without_login


@pytest.fixture
def plan(user, project):
    def _plan(line: str, **variables: str):
        return pip.plan(line.split(), {**user, **variables}, str(project))

    return _plan


def test_a_plain_install(plan, target_prefix):
    found = plan("install -qU six")
    assert (found.tool, found.version, found.words, found.typed) == (
        "pip",
        "26.3",
        ("install",),
        ("install", "-qU", "six"),
    )
    assert found.argv == ("install", "--quiet", "--upgrade", "--", "six")
    assert found.program[0] == str(target_prefix / "bin/python")
    assert found.program[1].endswith("__pip-runner__.py")
    assert found.target.prefix == target_prefix
    assert [(str(item.requirement), item.origin) for item in found.requested] == [("six", "command line")]
    assert found.indexes == (default_index("pip"),)
    assert (found.inputs, found.dropped, found.trusted, found.dry_run, found.requires_hashes) == (
        (),
        (),
        (),
        False,
        False,
    )


def test_files_become_private_copies(plan, write, tmp_path):
    write("r.txt", f"six==1.0 --hash=sha256:{'a' * 64}  # x\n")
    found = plan("install -r r.txt --dry-run click")
    assert isinstance(found.argv[2], Input)
    assert found.requires_hashes
    assert found.dry_run
    assert [item.origin for item in found.requested] == ["command line", "r.txt:1"]
    folder = tmp_path / "run"
    folder.mkdir()
    write("r.txt", "evil\n")
    command = found.command(folder)
    copy = command[4].removeprefix("--requirement=")
    assert command[2:] == ("install", "--dry-run", f"--requirement={copy}", "--", "click")
    assert Path(copy).read_text() == f"six==1.0 --hash=sha256:{'a' * 64}\n"
    assert stat.S_IMODE(Path(copy).stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        found.command(folder)


def test_indexes_of_flags_variables_and_files(plan, user):
    found = plan(
        "install x -i http://u:p@a/simple --extra-index-url https://b/s",
        PIP_INDEX_URL="https://never",
        PIP_EXTRA_INDEX_URL="https://c/s http://d:81/s",
    )
    assert [(index.url, index.origin, index.default) for index in found.indexes] == [
        ("http://a/simple", "command line", True),
        ("https://c/s", "PIP_EXTRA_INDEX_URL", False),
        ("http://d:81/s", "PIP_EXTRA_INDEX_URL", False),
        ("https://b/s", "command line", False),
    ]
    assert "--index-url=http://u:p@a/simple" in found.argv
    assert "u:p" not in repr(found)
    assert found.typed[3] == "http://a/simple"
    assert plan("install x --no-index").indexes == ()
    assert plan("install x", PIP_NO_INDEX="1").indexes == ()


def test_plain_http_is_told_to_pip_only_where_the_user_trusts_it(plan):
    line = "install x -i http://a/s --extra-index-url http://b:81/s --extra-index-url http://c/s --extra-index-url https://d/s"
    found = plan(f"{line} --trusted-host a --trusted-host b:81 --trusted-host d")
    assert found.trusted == ("a:80", "b:81")
    assert found.upstream.insecure_hosts == ("a", "b:81", "d")
    assert not any("trusted" in str(item) for item in found.argv)


def test_ours_wins_and_the_way_out_is_not_the_child_s(plan):
    found = plan(
        "install x --timeout 5 --retries=9 --no-cache-dir --cert c --client-cert k", PIP_CERT="/e", PIP_PROXY="http://p"
    )
    assert found.argv == ("install", "--", "x")
    assert (found.upstream.ca_file, found.upstream.client_cert) == ("c", "k")
    assert found.upstream.proxies == {"http": "http://p", "https": "http://p"}
    assert not any(name.startswith("PIP_") for name in found.environment)


def test_unusable_variables_are_dropped_and_named(plan):
    found = plan("install x -i https://b", PIP_WHATEVER="/w", PIP_INDEX_URL="file:///d", PIP_PRE="1")
    assert found.dropped == ("PIP_WHATEVER", "PIP_INDEX_URL")
    assert found.environment["PIP_PRE"] == "1"
    assert [one.url for one in found.indexes] == ["https://b"]
    assert plan("install x --no-index", PIP_EXTRA_INDEX_URL="/d").dropped == ("PIP_EXTRA_INDEX_URL",)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PIP_INDEX_URL": "file:///d"}, "`PIP_INDEX_URL`: `file:///d` is not an http or https URL"),
        ({"PIP_INDEX_URL": "http://[::1"}, "`PIP_INDEX_URL`: `http://[::1` is not an http or https URL"),
        ({"PIP_EXTRA_INDEX_URL": "https://a /d"}, "`PIP_EXTRA_INDEX_URL`: `/d` is not an http or https URL"),
    ],
)
def test_the_public_index_never_stands_in_for_what_people_meant(plan, variables, words):
    with pytest.raises(ConfigError) as caught:
        plan("install x", **variables)
    assert caught.value.what == words


@pytest.mark.parametrize(
    ("line", "words", "hint"),
    [
        (
            "install x --proxy http://p:1",
            "`--proxy` is refused: in a gated run pip reaches the gateway only",
            "HTTPS_PROXY=",
        ),
        ("install --requirements-from-script none.py", "could not open the script `none.py`", None),
        ("install x --no-proxy-env", "`--no-proxy-env` is refused", None),
        ("install x --cache-dir d", "`--cache-dir` is refused", None),
        ("install x --use-deprecated legacy-resolver", "`--use-deprecated` is refused", None),
        ("install -e none", "`none` is no folder: only folders can be installed as editable", None),
        ("install x -f ftp://d", "`--find-links`: `ftp://d` is neither a folder nor an http or https page", None),
        ("install x -f http://[::1", "`--find-links`: `http://[::1` is not an http or https URL", None),
        ("install x -f http://h:99999/", "`--find-links`: `http://h:99999/` is not an http or https URL", None),
        ("install x --use-feature new", "`--use-feature=new` is not known for pip 26.3", None),
        ("install x --python-version x --target d", "`--python-version=x` is no version like 3, 3.12 or 3.12.1", None),
        (
            "install x -i file:///d",
            "`--index-url`: `file:///d` is not an http or https URL",
            "folders are not gated yet",
        ),
        ("install x --prox=", "`--prox` is not known for pip 26.3", "did you mean `--proxy`?"),
        ("install ./x", "`./x`: no such file", None),
    ],
)
def test_what_stops(plan, line, words, hint):
    with pytest.raises(UsageError) as caught:
        plan(line)
    assert caught.value.what.startswith(words)
    assert (caught.value.hint or "").startswith(hint or "")


def test_files_of_pip(plan, user, write, tmp_path):
    home = tmp_path / "home/.config/pip/pip.conf"
    home.parent.mkdir(parents=True)
    home.write_text(
        "[global]\nindex-url = https://u:p@files/simple\nextra-index-url =\n  https://b/s\n  https://c/s\n"
        "format = columns\n"
        "cert = /corp.pem\nproxy = http://corp\ntrusted-host = b\ntimeout = 60\ncache-dir = /c\n"
        "[install]\nno-binary = :none:\n[download]\nfind-links = /w\n"
    )
    found = plan("install x")
    assert [index.url for index in found.indexes] == ["https://files/simple", "https://b/s", "https://c/s"]
    assert found.indexes[0].origin == f"{home}:2"
    assert found.environment["PIP_INDEX_URL"] == "https://u:p@files/simple"
    assert found.environment["PIP_NO_BINARY"] == ":none:"
    assert found.dropped == (f"{home}:6 format",)
    assert (found.upstream.ca_file, found.upstream.insecure_hosts) == ("/corp.pem", ("b",))
    assert found.upstream.proxies == {"http": "http://corp", "https": "http://corp"}
    assert plan("install x", PIP_INDEX_URL="https://e/s").indexes[0].origin == "PIP_INDEX_URL"
    assert plan("install x", PIP_CONFIG_FILE=os.devnull).indexes == (default_index("pip"),)


def test_broken_files_of_pip(plan, tmp_path):
    home = tmp_path / "home/.pip/pip.conf"
    home.parent.mkdir()
    home.write_text("[install]\nisolated = 1\nfrob = 1\nindex-url = /d\n")
    with pytest.raises(FaultsError) as caught:
        plan("install x")
    assert [fault.where for fault in caught.value.faults] == [
        f"{home}:{line}, key `{key}`" for line, key in ((2, "isolated"), (3, "frob"), (4, "index-url"))
    ]
    assert caught.value.exit_code == 78
    home.write_text("index-url = x\n")
    with pytest.raises(ConfigError, match="not a pip configuration"):
        plan("install x")


def test_pip_itself_runs_so(plan, tmp_path):
    found = plan("install --no-index no-such-thing-anywhere")
    ended = subprocess.run(
        found.command(tmp_path),
        env={**found.environment, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "No matching distribution found for no-such-thing-anywhere" in ended.stderr


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://u:p@h/simple/#f", "https://h/simple/"),
        ("http://[::1]:80/s", "http://[::1]:80/s"),
        ("file:///d", None),
        ("ftp://h", None),
        ("https://", None),
        ("https://h:0/", None),
        ("https://h:x/", None),
        ("https://h/ x", None),
        ("https://h\\evil/", None),
        ("https://é/", None),
        ("d", None),
    ],
)
def test_urls(text, url):
    assert http_url(text) == url


def test_logins_are_taken_out():
    assert without_login("--index-url=https://u:p@h/s") == "--index-url=https://h/s"
    assert without_login("six") == "six"
