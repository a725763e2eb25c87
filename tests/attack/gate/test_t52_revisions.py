"""`OPENVET_INSTALL_POLICY_REF`: a change has no say in its own approval, and no program of a checkout runs."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.logsim import write_project
from tests.support.stage import BENIGN, WARN, YES

REF = "OPENVET_INSTALL_POLICY_REF"
MAIN = "origin/main"


@pytest.fixture
def repository(stage):
    """A checkout of a change that brings in a silent package and allows everything; `origin/main` does not."""
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("silent", "1.0")
    write_lock(stage, "goodlib")
    stage.policy()
    stage.git = lambda *argv, cwd=stage.project: git(cwd, *argv)
    stage.git("init", "-q", "-b", "main")
    stage.git("add", "-A")
    stage.git("commit", "-qm", "base")
    stage.git("update-ref", "refs/remotes/origin/main", "main")
    stage.git("switch", "-qc", "change")
    write_lock(stage, "goodlib", "silent")
    write_project(stage.project, [stage.log], WARN)
    stage.git("commit", "-qam", "change")
    return stage


def git(cwd, *argv):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
    ended = subprocess.run(["git", *who, *argv], cwd=cwd, check=True, timeout=60, capture_output=True, text=True)
    return ended.stdout.strip()


def check(stage, ref=MAIN, *more, **env):
    return stage.run("openvet-install", "check", *more, env={REF: ref, **env})


def refused(stage, ref, *words, **env):
    ended = check(stage, ref, **env)
    assert ended.code == 78, ended.out + ended.err
    for word in words:
        assert word in ended.err, ended.err
    assert "Traceback" not in ended.err
    return ended


# What holds.


def test_the_change_passes_by_its_own_policy_and_not_by_that_of_its_base(repository):
    assert repository.run("openvet-install", "check").code == 0
    assert check(repository).code == 77
    assert check(repository, "refs/remotes/origin/main").code == 77
    assert check(repository, repository.git("rev-parse", MAIN)).code == 77
    assert check(repository, "change").code == 0
    assert repository.leftovers == []


def test_every_gated_command_holds_to_it(repository):
    env = {REF: MAIN}
    inside = ("openvet-install", "exec", "--", "pip", "install", "silent")
    for command in (("openvet-pip", "install", "silent"), ("openvet-uv", "sync", "--locked"), inside,
                    ("openvet-uv", "run", "true")):  # fmt: skip
        assert repository.run(*command, env=env).code == 77, command
    report = repository.run("openvet-pip", "install", "silent", env=env).report
    assert [one["file"] for one in report["policies"]] == ["origin/main:openvet.toml"]
    assert REF in report["environment"]
    told = repository.run("openvet-install", "config", env=env).out
    assert 'mode = "block"' in told
    assert "origin/main:openvet.lock" in told


def test_pins_and_baseline_are_the_bases_too(repository):
    """The change moves the pin on to an audit that was made for it."""
    digest = repository.wheel("other", "1.0")
    repository.log.publish("other", "1.0", sha256=digest, claims=YES)
    (repository.project / "uv.lock").unlink()
    write_lock(repository, "other")
    write_project(repository.project, [repository.log], BENIGN)
    assert repository.run("openvet-install", "check").code == 0
    assert check(repository).code == 77
    (repository.project / "openvet.lock").unlink()
    (repository.project / "openvet-install.lock").write_text("not TOML")
    (repository.project / "openvet.baseline.toml").write_text("not TOML")
    assert check(repository).code == 77


def test_which_folder_the_policy_is_in_is_the_bases_to_say(repository):
    inner = repository.project / "inner"
    inner.mkdir()
    for name in ("openvet.toml", "openvet.lock", "openvet-install.lock", "uv.lock"):
        shutil.copy(repository.project / name, inner)
    repository.project, outer = inner, repository.project
    assert repository.run("openvet-install", "check").code == 0
    assert check(repository, MAIN, "uv.lock").code == 77
    ended = check(repository, MAIN, "--project", str(inner))
    assert ended.code == 78
    assert "no openvet.toml in origin/main" in ended.err
    for name in ("openvet.toml", "openvet.lock", "openvet-install.lock"):
        (outer / name).unlink()
    assert check(repository, MAIN, "uv.lock").code == 77


def test_a_base_without_a_policy_is_no_reason_to_take_the_changes(repository):
    repository.git("switch", "-q", "--orphan", "empty")
    repository.git("commit", "-q", "--allow-empty", "-m", "empty")
    repository.git("update-ref", "refs/remotes/origin/empty", "empty")
    repository.git("switch", "-q", "change")
    refused(repository, "origin/empty", "no openvet.toml in origin/empty", "what the change itself says does not count")


def test_commands_that_write_the_policy_refuse_it(repository):
    before = repository.git("status", "--porcelain")
    exempt = ("exempt", "silent==1.0", "--until", "14d", "--reason", "r", "--owner", "o")
    for command in (("update",), ("baseline", "--owner", "o"), exempt, ("init", "--log", repository.log.url)):
        ended = repository.run("openvet-install", *command, env={REF: MAIN})
        assert ended.code == 64, ended.err
        assert f"`{command[0]}` writes the files of the project" in ended.err
    assert repository.git("status", "--porcelain") == before


def test_the_bundle_is_the_bases_too(repository):
    path = repository.project / "openvet.bundle"
    repository.git("switch", "-q", "main")
    assert repository.run("openvet-install", "bundle", "silent").code == 0
    repository.git("add", "-A")
    repository.git("commit", "-qm", "bundle")
    repository.git("update-ref", "refs/remotes/origin/main", "main")
    repository.git("switch", "-q", "change")
    path.write_bytes(b"something else")
    for name in ("cache", "state"):
        shutil.rmtree(repository.folder / name, ignore_errors=True)
    repository.logs.stop()
    assert check(repository, MAIN, "--offline").code == 77
    assert repository.run("openvet-install", "check", "--offline").code == 65


# Names that are none.


@pytest.mark.parametrize(
    "ref",
    ["-p", "--help", "--upload-pack=touch marker", "--output=marker", "a b", "HEAD:openvet.toml", "main~1", "main^",
     "@{u}", "@{-1}", ":/base", "main..change", "x\ny", "/main", "ma*n", "a//b", "main.lock"],
)  # fmt: skip
def test_what_is_no_name_is_refused(repository, ref):
    refused(repository, ref, "names no branch, tag or commit")
    assert not list(repository.project.glob("marker*"))


@pytest.mark.parametrize("ref", ["origin/nothing", "0" * 40, "f" * 64, "refs/heads/nothing", "FETCH_HEAD"])
def test_what_is_not_here_is_refused_and_not_fetched(repository, ref):
    repository.git("remote", "add", "origin", "http://127.0.0.1:1/")
    refused(repository, ref, f"no commit `{ref}`", "nothing is fetched here")


def test_what_is_no_commit_is_refused(repository):
    blob = repository.git("rev-parse", "HEAD:openvet.toml")
    repository.git("tag", "blob", blob)
    for ref in ("blob", blob, repository.git("rev-parse", "HEAD^{tree}")):
        refused(repository, ref, f"no commit `{ref}`")


def test_two_of_one_name_are_refused(repository):
    """A tag goes before a branch of a remote: whoever may push tags would choose the policy."""
    repository.git("tag", MAIN, "change")
    refused(repository, MAIN, "refs/tags/origin/main and refs/remotes/origin/main", f"{REF}=refs/remotes/origin/main")
    assert check(repository, "refs/remotes/origin/main").code == 77


def test_outside_of_a_repository_it_is_refused(repository):
    (repository.project / ".git").rename(repository.folder / "aside")
    refused(repository, MAIN, "no repository around")


# A checkout that is hostile.


def test_a_bare_repository_in_the_way_is_none(repository):
    """Git looks for one in the folder itself; all of it can be committed."""
    inner = repository.project / "inner"
    shutil.copytree(repository.project / ".git", inner)
    config = inner / "config"
    config.write_text(config.read_text().replace("bare = false", "bare = true"))
    git(inner, "update-ref", "refs/remotes/origin/main", "refs/heads/change")
    for name in ("openvet.toml", "openvet.lock", "openvet-install.lock", "uv.lock"):
        shutil.copy(repository.project / name, inner)
    repository.project, outer = inner, repository.project
    assert check(repository, MAIN, "uv.lock").code == 77
    for path in inner.iterdir():  # and at the top, beside the real one
        if not (outer / path.name).exists():
            path.rename(outer / path.name)
    repository.project = outer
    assert check(repository).code == 77


@pytest.mark.parametrize("place", ["inner", "deep/inner"])
def test_a_submodule_that_a_change_put_in_the_way_is_refused(repository, place):
    """Its branches are called as those of the repository around it: what `origin/main` says is its owner's word."""
    theirs = repository.folder / "theirs"
    git(repository.project, "clone", "-q", "--branch", "change", str(repository.project), str(theirs))
    git(theirs, "switch", "-qc", "main")
    repository.git("submodule", "add", "-q", str(theirs), place)
    repository.project = repository.project / place
    refused(repository, MAIN, f"{repository.project} is a submodule")


def test_a_worktree_is_as_good_as_the_first(repository):
    repository.git("worktree", "add", "-q", "--detach", str(repository.folder / "modules" / "tree"), "change")
    repository.project = repository.folder / "modules" / "tree"
    assert check(repository).code == 77
    assert check(repository, "change").code == 0


def test_a_repository_that_is_another_ones_is_refused(repository):
    elsewhere = repository.folder / "elsewhere"
    elsewhere.mkdir()
    repository.git("config", "core.worktree", str(elsewhere))
    refused(repository, MAIN, "git takes", "for the repository")
    repository.git("config", "--unset", "core.worktree")
    (repository.project / ".git").rename(repository.folder / "aside")
    (repository.project / ".git").write_text("no repository")
    refused(repository, MAIN, "invalid gitfile format")


def test_no_program_of_its_configuration_runs(repository):
    marker = repository.folder / "ran"
    script = repository.folder / "script"
    script.write_text(f"#!/bin/sh\ntouch {marker}\nexit 1\n")
    script.chmod(0o755)
    hooks = repository.folder / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman"):
        shutil.copy(script, hooks / name)
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "core.gitProxy", "core.askPass", "core.editor",
                "core.alternateRefsCommand", "pager.cat-file", "pager.ls-tree", "pager.rev-parse", "pager.for-each-ref",
                "diff.external", "uploadpack.packObjectsHook", "credential.helper", "filter.x.smudge"):  # fmt: skip
        repository.git("config", key, str(script))
    for word in ("ls-tree", "cat-file", "rev-parse", "for-each-ref"):
        repository.git("config", f"alias.{word}", f"!{script}")
    repository.git("config", "core.hooksPath", str(hooks))
    (repository.project / ".git" / "info" / "attributes").write_text("* filter=x\n")
    assert check(repository).code == 77
    assert not marker.exists()


def test_a_missing_object_is_not_fetched_by_a_program(repository):
    """A partial clone asks its remote for what it lacks, and a remote may be any command."""
    marker = repository.folder / "ran"
    for key, value in (("extensions.partialClone", "evil"), ("remote.evil.url", f"ext::sh -c touch% {marker}"),
                       ("remote.evil.promisor", "true"), ("protocol.ext.allow", "always"),
                       ("core.repositoryFormatVersion", "1")):  # fmt: skip
        repository.git("config", key, value)
    blob = repository.git("rev-parse", f"{MAIN}:openvet.toml")
    (repository.project / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    refused(repository, MAIN, "its object is not in this checkout", "nothing is fetched here")
    assert not marker.exists()


def test_a_replaced_object_is_not_taken_for_the_real_one(repository):
    repository.git("replace", repository.git("rev-parse", MAIN), repository.git("rev-parse", "change"))
    assert repository.git("show", f"{MAIN}:openvet.toml").endswith('"warn"')
    assert check(repository).code == 77


def test_variables_of_git_lead_nowhere_else(repository):
    other = repository.folder / "other"
    shutil.copytree(repository.project, other)
    git(other, "update-ref", "refs/remotes/origin/main", "change")
    led = {
        "GIT_DIR": str(other / ".git"), "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.worktree", "GIT_CONFIG_VALUE_0": str(other),
        "GIT_NAMESPACE": "x", "GIT_TRACE": str(repository.folder / "trace"), "GIT_EXEC_PATH": str(other),
    }  # fmt: skip
    assert check(repository, **led).code == 77
    assert not (repository.folder / "trace").exists()


def test_links_and_folders_are_no_policy(repository):
    base = repository.git("rev-parse", MAIN)
    for how in ("link", "folder", "large"):
        repository.git("switch", "-qC", how, base)
        path = repository.project / "openvet.toml"
        path.unlink()
        if how == "link":
            path.symlink_to("/etc/hostname")
        elif how == "folder":
            path.mkdir()
            (path / "x").touch()
        else:
            path.write_text("#" * 5_000_000)
        repository.git("add", "-A")
        repository.git("commit", "-qm", how)
        told = "larger than" if how == "large" else "no ordinary file"
        refused(repository, how, told, f"--> {how}:openvet.toml")


def test_a_git_that_lies_in_the_checkout_is_not_run(repository):
    folder = repository.project / "bin"
    folder.mkdir()
    marker = repository.folder / "ran"
    (folder / "git").write_text(f'#!/bin/sh\ntouch {marker}\nexec /usr/bin/git "$@"\n')
    (folder / "git").chmod(0o755)
    refused(repository, MAIN, "lies in the repository itself", PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert not marker.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a checkout of somebody else's")
def test_a_checkout_of_another_user_is_gits_to_refuse(repository):
    for path in (repository.project, *repository.project.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    none = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    refused(repository, MAIN, "dubious ownership", "git config --global --add safe.directory", **none)
    config = repository.folder / "gitconfig"
    config.write_text(f"[safe]\n\tdirectory = {repository.project}\n")
    env = {"GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_NOSYSTEM": "1"}
    assert check(repository, **env).code == 77


def test_faults_of_the_revision_name_it(repository):
    (repository.project / "openvet.toml").write_text("[install]\nmoode = 1\n")
    repository.git("commit", "-qam", "wrong")
    refused(repository, "change", "unknown key `moode`", "--> change:openvet.toml:2")
