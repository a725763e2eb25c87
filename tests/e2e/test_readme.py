"""What the README shows is what happens."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.stage import PROGRAMS

README = Path(__file__).resolve().parents[2] / "README.md"


def shown(language, containing):
    blocks = re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if containing in block]
    return found


def steady(text):
    return re.sub(r"\d+ days old", "N days old", text)


@pytest.mark.network
def test_the_demo_prints_what_the_readme_shows(tmp_path):
    ended = subprocess.run(
        [str(PROGRAMS / "openvet-install"), "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert steady(ended.stdout) == steady(shown("text", "demo: "))
    assert list(tmp_path.iterdir()) == []


def test_the_policy_in_the_readme_is_read(tmp_path):
    from datetime import date

    from openvet_install.config import read_policy

    path = tmp_path / "openvet.toml"
    path.write_text(shown("toml", "[install]"))
    policy = read_policy("project", path, date(2026, 11, 23))
    assert set(policy.settings.said) >= {"mode", "sdists", "heads", "check-every", "stale-after", "cooldown", "max-lag"}


def test_every_command_and_option_is_in_the_readme():
    from openvet_install.cli.manage import parser

    text = README.read_text("utf-8")
    (commands,) = [action for action in parser()._actions if action.dest == "command"]
    for name in commands.choices:
        assert f"`openvet-install {name}" in text
    for option in ("project", "mode", "report", "offline", "bundle", "help"):
        assert f"--openvet-{option}" in text


def test_every_exit_code_and_reason_of_a_run_is_in_the_readme():
    from openvet_install import errors
    from openvet_install.decide import Reason

    text = README.read_text("utf-8")
    for name in dir(errors):
        if name.startswith("EXIT_") and name != "EXIT_OK":
            assert f"| {getattr(errors, name)} |" in text
    later = {"carried", "baseline", "local-project", "provenance-missing", "provenance-mismatch", "config-refused"}
    for reason in Reason:
        assert (f"`{reason.code}`" in text) != (reason.code in later), reason
