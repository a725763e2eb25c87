"""A log authored, signed and published by the real programs, enforced by the real wrappers."""

import pytest

pytestmark = pytest.mark.interop

PIP = ("openvet-pip", "install")
UV = ("openvet-uv", "pip", "install")


def offer(stage, folder, name, version):
    """Offer a wheel on the index and leave it as a file for the auditor."""
    from tests.support.wheels import make_wheel, wheel_name

    raw = make_wheel(name, version)
    stage.index.add(raw, filename=wheel_name(name, version))
    path = folder / wheel_name(name, version)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
def test_what_the_real_programs_publish_is_enforced(server, stage, tmp_path, tool):
    alice = server.log("alice")
    old, _new = (offer(stage, tmp_path, "goodlib", version) for version in ("1.0", "2.0"))
    evil = offer(stage, tmp_path, "evil", "1.0")
    alice.publish(old, {"is-benign": True})
    alice.publish(evil, {"is-benign": False}, summary="reads cloud keys at import")
    ended = stage.run("openvet-install", "init", "--log", alice.url)
    assert ended.code == 0, ended.err
    assert f"operator {alice.fingerprint}" in ended.out

    ended = stage.run(*tool, "goodlib")
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "1.0"}
    assert "held back: goodlib 1.0, newest 2.0 is unaudited" in ended.err
    ended = stage.run(*tool, "evil")
    assert ended.code == 77
    assert '"reads cloud keys at import"' in ended.err

    policy = stage.project / "openvet.toml"
    text = policy.read_text()
    policy.write_text(text.replace("[install]", '[install]\ncheck-every = "0s"'))
    alice.publish(old, {"is-benign": False}, update=True)
    flag = "--force-reinstall" if tool is PIP else "--reinstall"
    ended = stage.run(*tool, flag, "goodlib")
    assert ended.code == 77
    assert "contradicted" in ended.err


def test_pins_of_the_real_update_are_taken_up(server, stage, tmp_path):
    alice = server.log("alice")
    alice.publish(offer(stage, tmp_path, "goodlib", "1.0"), {"is-benign": True})
    assert stage.run("openvet-install", "init", "--log", alice.url).code == 0
    (stage.project / "openvet.toml").rename(stage.project / "openvet-install.toml")
    (stage.project / "openvet.toml").write_text(
        f'[log.alice]\nurl = "{alice.url}"\n[requirement]\nbenign = "is-benign"\n'
    )
    (stage.project / "openvet-install.toml").write_text('[install]\nmode = "block"\n')
    alice.publish(offer(stage, tmp_path, "goodlib", "2.0"), {"is-benign": True})
    server.update(stage.project)
    ended = stage.run(*PIP, "goodlib")
    assert ended.code == 0, ended.err
    assert stage.installed == {"goodlib": "2.0"}
