"""T77-T79: text from strangers, faults at each step, secrets."""

import json
import os
import resource
import subprocess
import unicodedata
import zipfile

import pytest

from tests.support.attacks import BOTH, PIP, UV, again, everything, stopped
from tests.support.indexsim import Reply
from tests.support.stage import BENIGN, NO, WARN, YES
from tests.support.wheels import make_wheel, wheel_name

EVIL_TEXT = "\x1b]0;owned\x07\x1b[2J\u202egpj.exe\u2066\r\nopenvet: allowed\n::add-mask::x"


def texts_of(value):
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts_of(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    return [value] if isinstance(value, str) else []


def clean(ended):
    """Nothing in what is printed or written steers a terminal."""
    for text in (ended.out, ended.err, *texts_of(ended.report)):
        bad = [char for char in text if char not in "\n\r\t" and unicodedata.category(char) in ("Cc", "Cf")]
        assert not bad, (text, [hex(ord(char)) for char in bad])
    assert "\nopenvet: allowed" not in ended.err


@BOTH
def test_text_from_the_index(stage, tool):
    stage.wheel("good", "1.0", YES, offered={"yanked": EVIL_TEXT})
    stage.wheel("evil", "1.0", offered={"yanked": EVIL_TEXT, "extra": {"upload-time": EVIL_TEXT, "size": EVIL_TEXT}})
    stage.wheel("odd", "1.0", offered={"requires_python": EVIL_TEXT})
    stage.policy()
    for words in (("good==1.0",), ("evil",), ("odd",)):
        clean(stage.run(*tool, *words))


@pytest.mark.parametrize(
    ("tool", "reply"), [(PIP, "type"), (UV, "status"), (PIP, "location"), (UV, "location"), (PIP, "challenge")]
)
def test_text_in_answers_of_the_index(stage, tool, reply):
    stage.wheel("good", "1.0", YES)
    text = EVIL_TEXT.replace("\r\n", " ").replace("\n", " ").encode().decode("latin-1")
    answer = {
        "type": Reply(200, {"Content-Type": text}, b"x"),
        "status": Reply(418, {}, EVIL_TEXT.encode()),
        "location": Reply(302, {"Location": f"http://h/{text}"}, b"x"),
        "challenge": Reply(401, {"WWW-Authenticate": f'Basic realm="{text}"'}, b"x"),
    }[reply]
    stage.index.lies.at_request = lambda _n, path: answer if path.startswith("/simple/") else None
    stage.policy()
    ended = stage.run(*tool, "good", *(["--no-input"] if tool is PIP else []))
    assert ended.code != 0
    clean(ended)


@BOTH
def test_text_from_the_log(stage, tool):
    digest = stage.wheel("evil", "1.0")
    key = stage.log.add_key("x", ("auditor",), shown=EVIL_TEXT)
    stage.log.publish("evil", "1.0", sha256=digest, claims=NO, auditors=[key], summary=EVIL_TEXT, report=EVIL_TEXT)
    stage.policy(WARN)
    ended = stage.run(*tool, "evil")
    assert ended.code == 77
    clean(ended)
    stage.log.new_generation(message=EVIL_TEXT)
    (stage.folder / "state/openvet-install/looks.json").unlink()
    ended = stage.run(*tool, "evil")
    assert ended.code == 65
    clean(ended)


@BOTH
def test_text_in_archives(stage, tool):
    for number, files in enumerate(({f"{EVIL_TEXT}.py": ""}, {"good\u202e.py": ""})):
        name = f"good{number}"
        stage.wheel(name, "1.0", YES, files=files)
        stage.policy()
        clean(stage.run(*tool, name))


@pytest.mark.parametrize(("tool", "place"), [(PIP, "word"), (UV, "file"), (UV, "flag")])
def test_text_that_was_typed_or_checked_out(stage, tool, place):
    stage.policy()
    (stage.project / "r.txt").write_text(f"{EVIL_TEXT}\n-e {EVIL_TEXT}\n")
    words = {"word": [f"x{EVIL_TEXT}"], "file": ["-r", "r.txt"], "flag": [f"--{EVIL_TEXT}"]}[place]
    ended = stage.run(*tool, *words)
    assert ended.code == 64
    clean(ended)


@pytest.mark.parametrize("place", ["uv.toml", "openvet.toml", "pip.conf"])
def test_text_in_files_of_a_check_out(stage, place):
    stage.policy()
    key = '"\\u001b[2J\\u202e" = 1\n'
    if place == "openvet.toml":
        stage.policy(BENIGN + key)
    elif place == "uv.toml":
        (stage.project / "uv.toml").write_text(key)
    else:
        (stage.environment / "pip.conf").write_text("[install]\n\x1b[2J\u202e = 1\n")
    ended = stage.run(*(PIP if place == "pip.conf" else UV), "good")
    assert ended.code == 78
    clean(ended)


def limited(stage, tool, size, *words, env=None):
    """Run with a limit on the size of every file that is written: what a full disk looks like, for any user."""
    command, _report = stage.command(*tool, *words)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return subprocess.run(
        command, env=stage.variables | dict(env or {}), cwd=stage.project, capture_output=True, text=True, timeout=60,
        check=False, preexec_fn=limit,
    )  # fmt: skip


@pytest.mark.parametrize(("tool", "size"), [(PIP, 0), (UV, 0), (UV, 2000), (PIP, 60_000), (UV, 60_000)])
def test_a_disk_that_is_full(stage, tool, size):
    body = make_wheel("big", "1.0", files={"big.py": os.urandom(200_000)})
    stage.wheel("big", "1.0", YES, body=body)
    stage.policy()
    ended = limited(stage, tool, size, "big")
    assert ended.returncode != 0, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    assert "big" not in stage.installed
    assert stage.leftovers == []


@pytest.mark.parametrize(
    ("tool", "step"), [(PIP, "page"), (UV, "page"), (PIP, "release"), (UV, "refuse"), (PIP, "sent"), (UV, "open")]
)
def test_a_bug_of_ours_is_never_a_success(stage, tool, step):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    where = {
        "page": "openvet_install.gate.keeper:Keeper.page", "release": "openvet_install.gate.keeper:Keeper.release",
        "refuse": "openvet_install.gate.keeper:Keeper.refuse", "sent": "openvet_install.gate.keeper:Keeper.sent",
        "open": "openvet_install.gate.remembered:open_archive",
    }[step]  # fmt: skip
    module, _, name = where.partition(":")
    owner, _, attribute = name.rpartition(".")
    code = (
        f"import sys, importlib\n"
        f"module = importlib.import_module({module!r})\n"
        f"owner = getattr(module, {owner!r}) if {owner!r} else module\n"
        f"def broken(*a, **k): raise RuntimeError('injected')\n"
        f"setattr(owner, {attribute!r}, broken)\n"
        f"from openvet_install.cli.wrap import main\n"
        f"sys.argv = sys.argv[1:]\n"
        f"tool = sys.argv[0].removeprefix('openvet-')\n"
        f"sys.exit(main(tool, sys.argv[1:]))\n"
    )
    import sys

    ended = subprocess.run(
        [sys.executable, "-c", code, *tool, "good"], env=stage.variables, cwd=stage.project, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 70, ended.stderr
    assert stage.leftovers == []


@BOTH
def test_a_password_appears_nowhere(stage, tool):
    word = "s3cr3tw0rd"
    stage.wheel("good", "1.0", YES)
    stage.wheel("evil", "1.0")
    stage.index.lies.login = ("user", word)
    stage.policy()
    url = stage.index.simple_url.replace("://", f"://user:{word}@")
    texts = []
    for words in (["evil"], ["-i", url, again(tool), "good"], ["nothing-like-it"], ["--no-such", url], [url]):
        ended = stage.run(*tool, *words, env={"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url})
        texts += [ended.out, ended.err, json.dumps(ended.report)]
    assert stage.run(*tool, "good", env={"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url}).code == 0
    stage.index.lies.status = 500
    ended = stage.run(*tool, "other", env={"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url})
    texts += [ended.out, ended.err, json.dumps(ended.report)]
    assert [text for text in texts if word in text] == []
    found = [
        str(path) for folder in ("cache", "state", "tmp", "environment", "project", "config")
        for path in (stage.folder / folder).rglob("*")
        if path.is_file() and not path.is_symlink() and word.encode() in path.read_bytes()
    ]  # fmt: skip
    assert found == []


@BOTH
def test_the_tools_child_cannot_outlive_a_block_with_success(stage, tool):
    # The index dies in the middle of a file.
    stage.wheel("good", "1.0", YES, body=make_wheel("good", "1.0", files={"good.py": os.urandom(400_000)}))
    stage.index.lies.cut = 1000
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good"), 69, before=before)
    assert stage.index.asked(f"/files/{wheel_name('good', '1.0')}")


@BOTH
def test_the_login_of_a_log_is_written_nowhere(stage, tool):
    """Reports and bundles are handed on, caches are shared; only the files of the policy hold what people wrote."""
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    stage.wheel("later", "1.0", YES)
    said = ("openvet.toml", "openvet.lock")
    for name in said:
        path = stage.project / name
        path.write_text(path.read_text().replace("http://127", "http://someone:pass-of-the-log@127"))
    ended = stage.run(*tool, "goodlib")
    assert ended.code == 0, ended.err
    assert ended.report["logs"][0]["url"] == stage.log.url
    for command in (["update"], ["bundle", "goodlib"], ["check", "--environment", "--report=markdown"], ["config"]):
        ended = stage.run("openvet-install", *command)
        assert "pass-of-the-log" not in ended.out + ended.err
    with zipfile.ZipFile(stage.project / "openvet.bundle") as bundle:
        assert json.loads(bundle.read("bundle.json"))["logs"][0]["url"] == stage.log.url
    offline = stage.run(*tool, "goodlib", "--openvet-offline")
    assert offline.code == 0, offline.err
    holding = [path for path in stage.folder.rglob("*") if path.is_file() and b"pass-of-the-log" in path.read_bytes()]
    assert sorted(path.name for path in holding) == sorted(said)
