"""T20, T31: `uv pip sync` installs what files of requirements list, and nothing that nobody approved."""

import os
import threading

from tests.support.attacks import EVERY_RUN, backend, everything, evil_sdist, stopped
from tests.support.stage import WARN, YES

SYNC = ("openvet-uv", "pip", "sync")


def test_what_is_approved_is_synced_and_the_rest_goes(stage):
    for name in ("good", "other", "old"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    (stage.project / "before.txt").write_text("good==1.0\nold==1.0\n")
    (stage.project / "r.txt").write_text("good==1.0\n-r more.txt\n")
    (stage.project / "more.txt").write_text("other==1.0  # nested\n")
    assert stage.run(*SYNC, "before.txt").code == 0
    ended = stage.run(*SYNC, "r.txt")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "other": "1.0"}


def test_an_unapproved_file_stops_it(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("evil", "1.0")
    stage.policy()
    (stage.project / "r.txt").write_text("good==1.0\nevil==1.0\n")
    before = everything(stage)
    ended = stage.run(*SYNC, "r.txt")
    stopped(stage, ended, 77, before=before)
    assert "pypi:evil@1.0?py3-none-any    unaudited" in ended.err


def test_a_no_stops_it_in_warn_too(stage):
    stage.wheel("evil", "1.0", {"is-benign": False})
    stage.policy(WARN)
    (stage.project / "r.txt").write_text("evil==1.0\n")
    before = everything(stage)
    stopped(stage, stage.run(*SYNC, "r.txt"), 77, before=before)


def test_an_unapproved_sdist_runs_nothing_even_dry(stage):
    stage.sdist("evil", "1.0")
    stage.policy()
    (stage.project / "r.txt").write_text("evil==1.0\n")
    before = everything(stage)
    for flags in ((), ("--dry-run",)):
        stopped(stage, stage.run(*SYNC, "r.txt", *flags), 77, before=before)


def test_a_file_is_read_once_and_direct_references_are_judged(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    path = evil_sdist(stage)
    (stage.project / "r.txt").write_text(f"evil @ {path.as_uri()}\n")
    before = everything(stage)
    stopped(stage, stage.run(*SYNC, "r.txt"), 77, before=before)
    pipe = stage.project / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=("good==1.0\n",), daemon=True).start()
    assert stage.run(*SYNC, "pipe").code == 0
    assert stage.installed == {"good": "1.0"}


def test_other_kinds_of_files_are_refused_in_words(stage):
    stage.policy()
    before = everything(stage)
    for name in ("pyproject.toml", "pylock.toml", "pylock.x.toml", "setup.py"):
        (stage.project / name).write_text("")
        ended = stage.run(*SYNC, name)
        stopped(stage, ended, 64, before=before)
        assert name in ended.err
    stopped(stage, stage.run(*SYNC), 64, before=before)


def test_what_was_contradicted_since_is_told_although_it_is_in_the_cache(stage):
    digest = stage.wheel("good", "1.0", YES)
    stage.policy(EVERY_RUN)
    (stage.project / "r.txt").write_text("good==1.0\n")
    assert stage.run(*SYNC, "r.txt").code == 0
    stage.log.publish("Good", "1.0.0", variant="other", sha256=digest, claims={"is-benign": False})
    before = everything(stage)
    ended = stage.run(*SYNC, "r.txt", "--reinstall")
    stopped(stage, ended, 77, before=before)
    assert "contradicted" in ended.err


def test_folders_of_ours_in_a_file_are_synced(stage):
    """As in what `uv export` writes; uv has no option for them here."""
    for name in ("good", "deep"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    for place, name in (("a b", "mine"), ("lib", "other")):
        folder = stage.project / place
        folder.mkdir()
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "1.0"\n[project.optional-dependencies]\nx = ["deep"]\n'
        )
        source = backend(stage, name, "1.0", "") + "\nbuild_editable = build_wheel\n"
        (folder / "own.py").write_text(source)
        with (folder / "pyproject.toml").open("a") as file:
            file.write('[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n')
    (stage.project / "r.txt").write_text("-e ./lib[x]\nmine @ file:./a%20b\ngood==1.0\ndeep==1.0\n")
    ended = stage.run(*SYNC, "r.txt")
    assert ended.code == 0, ended.err
    assert stage.installed == {"deep": "1.0", "good": "1.0", "mine": "1.0", "other": "1.0"}


def test_folders_of_others_in_a_file_are_not(stage):
    stage.policy(WARN)
    other = stage.folder / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "1.0"\n')
    before = everything(stage)
    for line in ("-e ../other", "../other", "-e .\n-e ../other"):
        (stage.project / "r.txt").write_text(f"{line}\n")
        (stage.project / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1.0"\n')
        stopped(stage, stage.run(*SYNC, "r.txt"), 64, before=before)
