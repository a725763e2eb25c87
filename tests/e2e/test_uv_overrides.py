"""What overrides and constraints ask for counts: withheld it is told of, pinned it is no silent fall."""

import pytest

from openvet_install.errors import EXIT_BLOCKED
from tests.support.projects import in_project, state, unchanged, write
from tests.support.stage import YES

OLD = {"upload_time": "2020-01-02T03:04:05Z"}


@pytest.fixture
def offered(stage):
    """A library whose newest release nobody audited; what is approved is four years older. Something asks for it."""
    stage.wheel("library", "1.0", YES, offered=OLD)
    stage.wheel("library", "3.0")
    stage.wheel("needy", "1.0", YES, requires=["library<3"])
    stage.wheel("open", "1.0", YES, requires=["library"])
    stage.policy()
    return stage


def blocked(ended):
    assert ended.code == EXIT_BLOCKED, ended.err
    assert "✘ pypi:library@3.0?py3-none-any    unaudited" in ended.err


def test_what_a_project_overrides_and_limits(offered):
    stage = in_project(offered)
    for more in ('override-dependencies = ["library==3.0"]', 'constraint-dependencies = ["library>=2"]'):
        write(stage, "needy" if "override" in more else "open", more=f"[tool.uv]\n{more}\n")
        before = state(stage)
        ended = stage.run("openvet-uv", "lock")
        unchanged(stage, ended, before, EXIT_BLOCKED)
        blocked(ended)
    for key in ("override", "constraint"):
        write(stage, "needy", more=f'[tool.uv]\n{key}-dependencies = ["library==1.0"]\n')
        (stage.project / "uv.lock").unlink(missing_ok=True)
        assert stage.run("openvet-uv", "lock").code == 0


def test_overrides_of_uv_pip(offered):
    stage = offered
    overrides = stage.project / "overrides.txt"
    overrides.write_text("library==3.0\n")
    blocked(stage.run("openvet-uv", "pip", "install", "needy", "--overrides", "overrides.txt"))
    assert stage.installed == {}
    overrides.write_text("library==1.0\n")
    assert stage.run("openvet-uv", "pip", "install", "needy", "--overrides", "overrides.txt").code == 0
    assert stage.installed == {"library": "1.0", "needy": "1.0"}
