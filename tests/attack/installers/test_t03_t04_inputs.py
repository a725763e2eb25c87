"""T03, T04: requirement-like inputs are read once; folders and references are no sources."""

import os
import threading

import pytest

from openvet_install.errors import UsageError
from openvet_install.installers import pip, uv

PLANS = {"pip": (pip.plan, ["install"]), "uv": (uv.plan, ["pip", "install"])}


@pytest.fixture(params=PLANS)
def plan(request, user, project):
    make, words = PLANS[request.param]
    return lambda *argv: make([*words, *argv], user, str(project))


def test_a_file_swapped_after_our_reading_changes_nothing(plan, write, tmp_path):
    write("r.txt", "six\n")
    found = plan("-r", "r.txt")
    write("r.txt", "evil @ file:///d/evil.whl\n")
    folder = tmp_path / "run"
    folder.mkdir()
    command = found.command(folder)
    assert not any("r.txt" in part and str(folder) not in part for part in command)
    assert [path.read_text() for path in folder.iterdir()] == ["six\n"]


def test_a_pipe_is_read_once_and_a_copy_handed_over(plan, project, tmp_path):
    os.mkfifo(project / "pipe")
    writer = threading.Thread(target=(project / "pipe").write_text, args=("six\n",))
    writer.start()
    found = plan("-r", "pipe")
    writer.join()
    folder = tmp_path / "run"
    folder.mkdir()
    found.command(folder)
    assert [path.read_text() for path in folder.iterdir()] == ["six\n"]


def test_a_planted_copy_or_link_is_not_followed(plan, write, tmp_path):
    write("r.txt", "six\n")
    found = plan("-r", "r.txt")
    folder, victim = tmp_path / "run", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("mine")
    for number in range(12):
        (folder / f"requirements-{number}.txt").symlink_to(victim)
    with pytest.raises(FileExistsError):
        found.command(folder)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    "line",
    [
        *(
            "-f ./evil.whl",
            "--find-links=evil.whl",
            "-c c.txt",
            "-r other.txt",
            "-r https://h/r.txt",
            "-r file://h/r.txt",
            "-e none",
            "--editable=none",
            "--trusted-host h",
            "-i file:///d",
        ),
        *(
            "--pre --use-feature fast-deps",
            "six --config-settings=a=b",
            "six==${HOME}",
            "evil @ file:///d/evil-1.0.tar.gz",
        ),
        *("evil @ git+file:///d", "./evil.whl", "/d/evil.whl", "evil.whl", "dir/", "file:dir", "https://h/evil.whl"),
        *("git+ssh://git@h/evil.git", "evil[x] @ https://h/evil.whl ; python_version > '3'", "six \\\n-e none"),
    ],
)
def test_lines_that_bring_in_something_else(plan, write, line):
    write("r.txt", f"six\n{line}\n")
    write("evil.whl", "")
    with pytest.raises(UsageError):
        plan("-r", "r.txt")


@pytest.mark.parametrize(
    "argv",
    [
        *(
            ["-i", "file:///d"],
            ["--index-url=./d"],
            ["--extra-index-url", "/d"],
            ["-f", "evil.whl"],
            ["-fevil.whl"],
            ["--find-links=evil.whl"],
        ),
        *(
            ["./evil.whl"],
            ["-e", "none"],
            ["-enone"],
            ["./none"],
            ["evil @ file:d"],
            ["git+file:///d"],
            ["evil.tar.gz"],
            ["-c", "c.txt"],
        ),
        *(
            ["-r", "https://h/r.txt"],
            ["-r", "file:///r.txt"],
            ["-r", "pylock.toml"],
            ["--", "-e"],
            ["--", "./x"],
        ),
    ],
)
def test_forms_on_the_command_line(plan, project, argv):
    (project / "evil.whl").touch()
    with pytest.raises(UsageError):
        plan("six", *argv)


BAD = [
    "evil @ file:///d/evil-1.0.tar.gz",
    "./evil.whl",
    "-e none",
    "-f evil.whl",
    "--trusted-host h",
    "-i file:///d",
    "six==${HTTP_PROXY}",
]


@pytest.mark.parametrize("line", BAD)
@pytest.mark.parametrize("flag", ["-r nested", "-c nested", "-c", "-b", "--overrides", "--excludes"])
def test_a_bad_line_is_found_in_every_file(plan, write, flag, line, request):
    if flag in ("-b", "--overrides", "--excludes") and "pip" in request.node.callspec.params.values():
        flag = "--build-constraint"
    write("bad.txt", f"six\n{line}\n")
    write("r.txt", f"{flag.split()[0]} bad.txt\n")
    write("evil.whl", "")
    with pytest.raises(UsageError) as caught:
        plan("six", *(["-r", "r.txt"] if flag.endswith("nested") else [flag, "bad.txt"]))
    assert caught.value.where == "bad.txt:2"


def test_files_that_variables_name_are_read_by_us(user, project, write, tmp_path):
    write("a.txt", "six<2\n")
    write("b.txt", "toml\n")
    names = {"PIP_REQUIREMENT": "b.txt", "PIP_CONSTRAINT": "a.txt", "PIP_BUILD_CONSTRAINT": "a.txt b.txt"}
    names |= {"UV_CONSTRAINT": "a.txt", "UV_BUILD_CONSTRAINT": "a.txt b.txt", "UV_OVERRIDE": "a.txt"}
    names |= {"UV_EXCLUDE": "b.txt"}
    wanted = {
        "pip": [
            ("requirements", "b.txt"),
            ("constraints", "a.txt"),
            *[("build-constraints", f"{x}.txt") for x in "ab"],
        ],
        "uv": [
            ("constraints", "a.txt"),
            *[("build-constraints", f"{x}.txt") for x in "ab"],
            ("overrides", "a.txt"),
            ("excludes", "b.txt"),
        ],
    }
    for tool, (make, words) in PLANS.items():
        found = make([*words, "six"], {**user, **names}, str(project))
        assert [(source.kind, source.path) for source in found.inputs] == wanted[tool]
        assert not set(names) & set(found.environment)
        folder = tmp_path / tool
        folder.mkdir()
        assert not [part for part in found.command(folder) if part.endswith(("=a.txt", "=b.txt"))]


@pytest.mark.parametrize("flag", ["--index", "--default-index"])
@pytest.mark.parametrize("value", ["./w", "n=./w", "file:///d", "n=file:///d", "d", "https://a/s ./w"])
def test_uv_s_named_folders(user, project, flag, value):
    with pytest.raises(UsageError, match="is not an http or https URL"):
        uv.plan(["pip", "install", "six", flag, value], user, str(project))
