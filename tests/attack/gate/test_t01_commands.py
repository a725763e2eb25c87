"""T01: a direct reference inside an approved archive is never followed."""

import pytest

from tests.support.attacks import BOTH, PIP, UV, backend, everything, evil_sdist, fetching, plain, stopped
from tests.support.stage import BENIGN, WARN, YES
from tests.support.wheels import make_wheel, wheel_name

SCHEMES = ["file:///d/evil-1.0.tar.gz", "git+file:///d/evil", "git+ssh://h/evil", "https://h.example/evil-1.0.tar.gz"]


@pytest.mark.parametrize(
    ("tool", "policy", "scheme"),
    [
        (PIP, WARN, "file"), (UV, WARN, "file"), (PIP, BENIGN, "file"), (UV, WARN, SCHEMES[1]), (PIP, WARN, SCHEMES[2]),
        (UV, BENIGN, SCHEMES[3]),
    ],
)  # fmt: skip
def test_requires_dist_of_an_approved_wheel(stage, tool, policy, scheme):
    url = evil_sdist(stage).as_uri() if scheme == "file" else scheme
    stage.wheel("good", "1.0", YES, requires=[f"evil @ {url}"])
    stage.policy(policy)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "good"), 65, before=before)


def test_plain_pip_would_run_it(stage):
    stage.wheel("good", "1.0", requires=[f"evil @ {evil_sdist(stage).as_uri()}"])
    assert plain(stage, PIP, "good") == 0
    assert stage.marker.exists()
    assert "evil" in stage.installed


@pytest.mark.parametrize(
    ("tool", "place"),
    [(PIP, "build-system"), (UV, "build-system"), (PIP, "project"), (UV, "pkg-info"), (UV, "sources"), (UV, "uv.toml")],
)
def test_references_of_an_approved_sdist_are_not_followed(stage, tool, place):
    path = evil_sdist(stage)
    url = path.as_uri()
    options = {
        "build-system": {"build_requires": [f"evil @ {url}"]},
        "project": {"more_pyproject": f'dependencies = ["evil @ {url}"]\n'},
        "pkg-info": {"requires": [f"evil @ {url}"]},
        "sources": {"build_requires": ["evil"], "more_pyproject": f'[tool.uv.sources]\nevil = {{ path = "{path}" }}\n'},
        "uv.toml": {"files": {"uv.toml": f'[[index]]\nurl = "{path.parent}"\nformat = "flat"\n'}},
    }[place]
    stage.sdist("source", "1.0", YES, **options)
    stage.policy(WARN)
    before = everything(stage)
    stopped(stage, stage.run(*tool, "source"), 65, before=before)


@BOTH
def test_a_backend_that_writes_a_reference_into_its_wheel(stage, tool):
    # What an approved backend does is approved; what it brings in is not: plain pip installs evil here.
    stage.sdist("source", "1.0", YES, wheel_requires=[f"evil @ {evil_sdist(stage).as_uri()}"])
    stage.policy(WARN)
    ended = stage.run(*tool, "source")
    if tool is UV:  # believes PKG-INFO, and refuses the wheel's own list where it counts
        assert stage.installed in ({}, {"source": "1.0"})
        assert "evil" not in stage.marker.read_text()
    else:
        assert ended.code == 65
        assert "✘ evil 1.0" in "\n".join(ended.ours)
        assert ended.report["outcome"] == "invalid"


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_a_look_alike_of_a_release_that_went_through(stage, kind):
    # The built wheel names a file on disk that has the name and version of an approved release: plain pip takes it.
    fake = stage.folder / wheel_name("good", "1.0")
    fake.write_bytes(make_wheel("good", "1.0", files={"good.py": "EVIL = True\n"}))
    if kind == "sdist":
        stage.sdist("good", "1.0", YES)
        url = stage.index.file_url("good-1.0.tar.gz")
    else:
        stage.wheel("good", "1.0", YES)
        url = stage.index.file_url(wheel_name("good", "1.0"))
    code = fetching(url)
    stage.sdist(
        "source", "1.0", YES, backend=backend(stage, "source", "1.0", code, requires=(f"good @ {fake.as_uri()}",))
    )
    stage.policy(WARN)
    ended = stage.run(*PIP, "source")
    assert ended.code == 65, ended.err
    assert "✘ good 1.0" in "\n".join(ended.ours)
