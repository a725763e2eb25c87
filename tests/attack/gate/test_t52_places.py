"""T52: a policy from the place under attack. T56: what is read is read once, and is an ordinary file."""

import pytest

from tests.support.stage import BENIGN, NO, YES


def notes(ended):
    return [line for line in ended.err.splitlines() if line.startswith("openvet: note: ") and "no effect" not in line]


def user_policy(stage, text):
    """Give the user a policy with the same log, pinned and verified."""
    folder = stage.folder / "config" / "openvet"
    folder.mkdir(parents=True)
    stage.policy()
    for name in ("openvet.lock", "openvet-install.lock"):
        (folder / name).write_bytes((stage.project / name).read_bytes())
    log = (stage.project / "openvet.toml").read_text().partition("[requirement]")[0]
    (folder / "openvet-install.toml").write_text(log + text)


def test_a_lone_project_policy_names_itself_once(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    first = stage.run("openvet-pip", "install", "goodlib")
    assert first.code == 0, first.err
    assert notes(first) == [
        f"openvet: note: first use of {stage.project / 'openvet.toml'}, the only policy here",
        f"openvet: note: log alice, {stage.log.url}, operator {stage.log.operator_fingerprint}",
    ]
    assert notes(stage.run("openvet-pip", "install", "goodlib")) == []


def test_a_project_that_changes_its_log_names_it_again(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    assert notes(stage.run("openvet-pip", "install", "goodlib"))
    eve = stage.logs.log("eve")
    eve.publish("nothing", "1", claims={})
    from tests.support.logsim import write_project

    write_project(stage.project, [stage.log, eve], BENIGN)
    assert any("log eve" in line for line in notes(stage.run("openvet-pip", "install", "goodlib")))


def test_a_check_out_cannot_loosen_what_the_user_asks(stage):
    stage.wheel("silent", "1.0")
    user_policy(stage, BENIGN)
    loose = stage.project / "openvet.toml"
    loose.write_text(loose.read_text().replace("[install]", '[install]\nmode = "warn"'))
    ended = stage.run("openvet-pip", "install", "silent")
    assert ended.code == 77
    assert notes(ended) == []
    stage.run("openvet-install", "exempt", "silent==1.0", "--until", "14d", "--reason", "r", "--owner", "eve")
    stage.run("openvet-install", "baseline", "--owner", "eve")
    assert stage.run("openvet-pip", "install", "silent").code == 77
    assert stage.installed == {}


@pytest.mark.parametrize("claims", [YES, NO])
def test_the_strictest_of_two_policies_decides(stage, claims):
    stage.wheel("lib", "1.0", claims)
    user_policy(stage, BENIGN)
    project = stage.project / "openvet.toml"
    project.write_text(project.read_text().replace('"is-benign"', '"not is-benign"'))
    assert stage.run("openvet-pip", "install", "lib").code == 77
