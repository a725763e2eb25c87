"""T05: `--no-sources` takes the word of `tool.uv.sources` in no step, and leads nowhere."""

import pytest

from tests.support.attacks import evil_sdist
from tests.support.projects import in_project, lock_of, plain_uv, state, unchanged, write
from tests.support.stage import YES

UV = "openvet-uv"


@pytest.fixture
def stage(stage):
    return in_project(stage)


def with_source(stage, name="good"):
    path = evil_sdist(stage)
    return f'[tool.uv.sources]\n{name} = {{ path = "{path}" }}\n'


@pytest.mark.parametrize("flag", [["--no-sources"], ["--no-sources-package", "good"]], ids=" ".join)
def test_what_sources_say_does_not_count(stage, flag):
    stage.wheel("good", "1.0", YES)
    stage.wheel("other", "1.0", YES)
    stage.policy()
    write(stage, "good", more=with_source(stage))
    plain_uv(stage, "lock", *flag)
    expected = lock_of(stage)
    (stage.project / "uv.lock").unlink()
    for words in (["sync"], ["run", "python", "-V"]):
        ended = stage.run(UV, words[0], *flag, *words[1:])
        assert ended.code == 0, (words, ended.err)
        assert lock_of(stage) == expected
    ended = stage.run(UV, "add", *flag, "other")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "other": "1.0"}
    ended = stage.run(UV, "remove", *flag, "other")
    assert ended.code == 0, ended.err
    assert lock_of(stage) == expected
    before = state(stage)
    unchanged(stage, stage.run(UV, "sync"), before, 64, 77)


def test_builds_of_the_second_step_do_not_look_at_sources_either(stage):
    """The source is about what a member needs to be built, which stands in no lock."""
    builds = '[build-system]\nrequires = ["evil"]\nbuild-backend = "evil"\n'
    stage.policy("")
    stage.policy()
    text = (stage.project / "openvet.toml").read_text()
    (stage.project / "openvet.toml").write_text(text.replace("[install]\n", '[install]\nlocal-projects = ["."]\n'))
    write(stage, more=builds + with_source(stage, "evil"))
    for flag in (["--no-sources"], ["--no-sources-package", "evil"]):
        before = state(stage)
        ended = stage.run(UV, "sync", *flag)
        assert not stage.marker.exists()
        assert ended.code in (1, 2, 77), ended.err
        assert lock_of(stage) if ended.code == 0 else state(stage).keys() >= before.keys()
