"""`uv tool upgrade`: gated, tool by tool, by what their receipts ask for."""

import subprocess

import pytest

from tests.e2e.test_uv_tool_install import INSTALL, OPTIONS, plain
from tests.support.attacks import evil_sdist
from tests.support.stage import NO, YES, read_report
from tests.support.wheels import make_wheel, wheel_name

UPGRADE = ("openvet-uv", "tool", "upgrade")


@pytest.fixture
def stage(stage):
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    stage.environment = stage.folder / "UV_TOOL_DIR" / "my-tool"
    return stage


def offer(stage, version, claims=YES, **options):
    stage.wheel("my-tool", version, claims, **{**OPTIONS, **options})


def installed(stage, *words):
    """A tool in its first release."""
    offer(stage, "1.0")
    stage.wheel("extra", "1.0", YES)
    stage.policy()
    ended = stage.run(*INSTALL, "my-tool", *words)
    assert ended.code == 0, ended.err


def receipt(stage):
    return (stage.environment / "uv-receipt.toml").read_text()


def test_to_the_newest_approved_release_as_uv_would(stage):
    installed(stage, "--with", "extra")
    offer(stage, "1.5")
    offer(stage, "2.0", None)
    stage.policy()
    (stage.project / "uv.toml").write_text('http-proxy = "http://127.0.0.1:9"\n')
    ended = stage.run(*UPGRADE, "my-tool")
    assert ended.code == 0, ended.err
    assert "Updated my-tool v1.0 -> v1.5" in ended.err
    assert ended.ours[0].startswith("openvet: held back: my-tool 1.5, newest 2.0 is unaudited")
    assert stage.installed == {"extra": "1.0", "my_tool": "1.5"}
    assert subprocess.run([stage.folder / "UV_TOOL_BIN_DIR" / "my-tool"], check=True, capture_output=True).stdout
    (stage.project / "uv.toml").unlink()
    again = {name: str(stage.folder / "plain" / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    for words in (
        ["install", "my-tool==1.0", "--with", "extra"],
        ["install", "my-tool", "--with", "extra"],
        ["upgrade", "--all"],
    ):
        assert plain(stage, "tool", *words, **again).returncode == 0
    plainly = (stage.folder / "plain" / "UV_TOOL_DIR" / "my-tool" / "uv-receipt.toml").read_text()
    assert receipt(stage) == plainly.replace(str(stage.folder / "plain"), str(stage.folder))
    assert stage.leftovers == []
    ended = stage.run("openvet-uv", "tool", "update", "my-tool")
    assert (ended.code, "Nothing to upgrade" in ended.err) == (0, True)


def test_all_of_them_and_one_that_is_not_there(stage):
    assert stage.run(*UPGRADE, "--all").code == 78
    stage.policy()
    ended = stage.run(*UPGRADE, "--all")
    assert ended.code == 0
    assert ended.err.endswith("Nothing to upgrade\n")
    installed(stage)
    stage.wheel("other", "1.0", YES, entry_points={"other": "other:NAME"})
    stage.policy()
    assert stage.run(*INSTALL, "other").code == 0
    offer(stage, "1.1")
    stage.wheel("other", "1.1", YES, entry_points={"other": "other:NAME"})
    stage.policy()
    ended = stage.run(*UPGRADE, "--all")
    assert ended.code == 0, ended.err
    assert "Updated my-tool v1.0 -> v1.1" in ended.err
    assert "Updated other v1.0 -> v1.1" in ended.err
    ended = stage.run(*UPGRADE, "none")
    assert ended.code == 1
    assert "`none` is not installed" in ended.err


@pytest.mark.parametrize("claims", [None, NO], ids=["unaudited", "contradicted"])
def test_what_is_not_approved_changes_nothing(stage, claims):
    installed(stage)
    stage.wheel("bad", "1.0", claims)
    stage.sdist("bad", "1.1")
    offer(stage, "2.0", requires=["bad"])
    stage.policy()
    (stage.environment / "uv-receipt.toml").write_text(
        receipt(stage).replace('"my-tool"', '"my-tool", specifier = ">1"', 1)
    )
    before = receipt(stage)
    ended = stage.run(*UPGRADE, "my-tool")
    assert ended.code == 77, ended.err
    assert not stage.marker.exists()
    assert stage.installed == {"my_tool": "1.0"}
    assert receipt(stage) == before


RECEIPTS = {
    "a path": ('{{ name = "evil", path = "{path}" }}', 77),
    "a folder": ('{{ name = "evil", directory = "{folder}" }}', 64),
    "an editable": ('{{ name = "evil", editable = "{folder}" }}', 64),
    "a repository": ('{{ name = "evil", git = "file:///d?rev=x" }}', 77),
    "a URL": ('{{ name = "evil", url = "{uri}" }}', 77),
    "a text": ('"evil @ {uri}"', 64),
}


@pytest.mark.parametrize("kind", RECEIPTS)
@pytest.mark.parametrize("key", ["requirements", "overrides", "constraints", "build-constraint-dependencies"])
def test_receipts_that_lead_past_the_index(stage, kind, key):
    installed(stage)
    path = evil_sdist(stage)
    entry, code = RECEIPTS[kind]
    entry = entry.format(path=path, folder=path.parent, uri=path.as_uri())
    text = receipt(stage)
    if key == "requirements":
        text = text.replace("requirements = [", f"requirements = [{entry}, ")
    else:
        text = text.replace("[tool]\n", f"[tool]\n{key} = [{entry}]\n")
    assert entry in text
    (stage.environment / "uv-receipt.toml").write_text(text)
    ended = stage.run(*UPGRADE, "my-tool")
    # of folders only those that are asked for could be the user's own
    assert ended.code == (code if key == "requirements" or kind == "a text" else 77), ended.err
    assert not stage.marker.exists()
    assert receipt(stage) == text


@pytest.mark.parametrize(
    "option",
    [
        'find-links = ["{folder}"]',
        'index = [{{ url = "{folder}", format = "flat" }}]',
        'index-url = "file://{folder}"',
        "build-isolation = 'shared'",
        'extra-build-variables = {{ evil = {{ PYTHONPATH = "{folder}" }} }}',
        'extra-build-dependencies = {{ evil = ["evil @ {uri}"] }}',
        'index = [{{ url = "{index}", cache-control = {{ api = "max-age=99999" }} }}]',
    ],
)
def test_options_of_a_receipt_that_lead_past_the_gate(stage, option):
    installed(stage)
    offer(stage, "2.0", None)
    path = evil_sdist(stage)
    more = option.format(folder=path.parent, uri=path.as_uri(), index=stage.index.simple_url)
    head = receipt(stage).partition("\n[tool.options]")[0]
    (stage.environment / "uv-receipt.toml").write_text(f"{head}\n[tool.options]\n{more}\n")
    ended = stage.run(*UPGRADE, "--all")
    assert ended.code == (77 if " @ " in option else 78), ended.err
    assert "uv-receipt.toml" in ended.err
    assert not stage.marker.exists()


def test_what_the_receipt_remembers_counts(stage):
    """An index of its own is gated like any other."""
    installed(stage)
    raw = make_wheel("my-tool", "9.0", **OPTIONS)
    with type(stage.index)() as other:
        other.add(raw, filename=wheel_name("my-tool", "9.0", "py3-none-any"))
        head = receipt(stage).partition("\n[tool.options]")[0]
        more = f'index = [{{ url = "{other.simple_url}" }}]'
        (stage.environment / "uv-receipt.toml").write_text(f"{head}\n[tool.options]\n{more}\n")
        ended = stage.run(*UPGRADE, "my-tool")
        assert other.requests
    assert ended.code == 0, ended.err
    assert stage.installed == {"my_tool": "1.0"}


def test_options_that_are_refused(stage):
    stage.policy()
    for words in ([], ["a b"], ["./x"], ["--find-links", "d", "x"], ["x @ file:///d"]):
        ended = stage.run(*UPGRADE, *words)
        assert ended.code == 64, (words, ended.err)


def test_one_tool_that_fails_keeps_no_other(stage):
    installed(stage)
    for name in ("a-tool", "b-tool", "z-tool"):
        stage.wheel(name, "1.0", YES, entry_points={name: f"{name.replace('-', '_')}:main"})
    stage.policy()
    for name in ("a-tool", "b-tool", "z-tool"):
        ended = stage.run(*INSTALL, name)
        assert ended.code == 0, ended.err
    folder = stage.folder / "UV_TOOL_DIR"
    kept = {name: (folder / name / "uv-receipt.toml").read_text() for name in ("a-tool", "b-tool")}
    uri = evil_sdist(stage).as_uri()
    for name, requirement in (("a-tool", f'{{ name = "evil", url = "{uri}" }}'), ("b-tool", '{ name = "none-such" }')):
        (folder / name / "uv-receipt.toml").write_text(
            kept[name].replace("requirements = [", f"requirements = [{requirement}, ")
        )
    offer(stage, "2.0")
    stage.policy()
    report = stage.folder / "r.json"
    ended = stage.run(*UPGRADE, "--all", f"--openvet-report=json:{report}")
    assert ended.code == 77, ended.err
    assert stage.installed == {"my_tool": "2.0"}
    assert "is refused (direct-reference)" in ended.err
    assert "none-such was not found" in ended.err
    told = read_report(report)
    assert (told["exit_code"], told["outcome"]) == (77, "blocked")
    (folder / "a-tool" / "uv-receipt.toml").write_text(kept["a-tool"])
    ended = stage.run(*UPGRADE, "b-tool", "nowhere", "z-tool")
    assert ended.code == 1, ended.err
    assert "`nowhere` is not installed" in ended.err
    assert "Nothing to upgrade" in ended.err
