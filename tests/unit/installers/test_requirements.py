import codecs
import os
import threading

import pytest

from openvet_install.errors import FaultsError, UsageError
from openvet_install.installers.commands import Input
from openvet_install.installers.requirements import MAX_FILE_BYTES, read_file, read_words

A, B = "a" * 64, "B" * 64


def read(write, text):
    path = write("req.txt", text)
    return read_file("req.txt", str(path.parent))


def test_names_versions_markers_hashes_comments(write):
    found = read(
        write,
        "# a comment\n\nFlask >=2,<4 ; python_version > '3'  # why\nclick[x]==8.1 \\\n"
        f"  --hash=sha256:{A} \\\n    --hash sha256:{B}\n\tsix\n",
    )
    assert [(str(item.requirement), item.origin) for item in found.requested] == [
        ('Flask<4,>=2; python_version > "3"', "req.txt:3"),
        ("click[x]==8.1", "req.txt:4"),
        ("six", "req.txt:7"),
    ]
    assert found.requested[1].hashes == (f"sha256:{A}", f"sha256:{B.lower()}")
    assert found.text() == (
        f'Flask<4,>=2; python_version > "3"\nclick[x]==8.1 --hash=sha256:{A} --hash=sha256:{B.lower()}\nsix\n'
    )


def test_continuations_and_comments_join_as_in_pip(write):
    found = read(write, "six\\\n==1.0\n# \\\nclick\nidna \\\n# comment\ntoml\\")
    assert [item.line() for item in found.requested] == ["six==1.0", "click", "idna", "toml"]
    assert [item.origin for item in found.requested] == ["req.txt:1", "req.txt:4", "req.txt:5", "req.txt:7"]


@pytest.mark.parametrize(
    "raw", [codecs.BOM_UTF8 + b"six\r\n", codecs.BOM_UTF16_LE + "six\n".encode("utf-16-le"), b"six", b"\nsix\n\n"]
)
def test_marks_and_line_ends(project, raw):
    (project / "r").write_bytes(raw)
    assert [item.line() for item in read_file("r", str(project)).requested] == ["six"]


def test_an_empty_file_is_one(write):
    assert read(write, "# nothing\n") == Input("req.txt", ())


def test_a_pipe_is_read_once(project):
    pipe = project / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("six\nclick\n",))
    writer.start()
    found = read_file("pipe", str(project))
    writer.join()
    assert [item.line() for item in found.requested] == ["six", "click"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-r other.txt", "`-r` in a requirements file is not gated yet"),
        ("-c c.txt", "`-c` in a requirements file is not gated yet"),
        ("-i http://h/simple", "`-i` in a requirements file is not gated yet"),
        ("--extra-index-url=http://h", "`--extra-index-url` in a requirements file is not gated yet"),
        ("-f dir", "`-f` in a requirements file is not gated yet"),
        ("-e .", "`-e` in a requirements file is not gated yet"),
        ("--trusted-host h", "`--trusted-host` in a requirements file is not gated yet"),
        ("--use-feature x", "`--use-feature` in a requirements file is not gated yet"),
        ("six --config-settings=a=b", "`--config-settings` of one requirement is not gated yet"),
        ("six --global-option x", "`--global-option` of one requirement is not gated yet"),
        ("six==${V}", "environment variable `${V}` in a requirements file is refused"),
        ("evil @ file:///d/evil.whl", "`evil @ file:///d/evil.whl`: direct references are not gated yet"),
        ("evil@https://h/e.whl", "`evil@https://h/e.whl`: direct references are not gated yet"),
        ("https://h/e.whl", "`https://h/e.whl`: direct references are not gated yet"),
        ("file:./e.whl", "`file:./e.whl`: direct references are not gated yet"),
        ("git+https://h/r.git", "`git+https://h/r.git`: version control as a source is not gated yet"),
        ("./evil", "`./evil`: local files and folders are not gated yet"),
        ("evil-1.0-py3-none-any.whl", "`evil-1.0-py3-none-any.whl`: local files and folders are not gated yet"),
        ("d/evil.tar.gz", "`d/evil.tar.gz`: local files and folders are not gated yet"),
        (f"six --hash=md5:{'a' * 32}", f"`--hash=md5:{'a' * 32}` is no sha256, sha384 or sha512"),
        ("six --hash=sha256:abc", "`--hash=sha256:abc` is no sha256, sha384 or sha512"),
    ],
)
def test_any_other_line_stops_with_its_place(write, line, words):
    with pytest.raises(UsageError) as caught:
        read(write, f"six\n{line}\n")
    assert (caught.value.what, caught.value.where) == (words, "req.txt:2")


def test_a_line_that_is_nothing(write):
    with pytest.raises(UsageError, match="`six =>1` is not a requirement"):
        read(write, "six =>1\n")


def test_all_faults_are_told_in_order(write):
    with pytest.raises(FaultsError) as caught:
        read(write, "-e .\nsix\n-f d\n")
    assert [fault.where for fault in caught.value.faults] == ["req.txt:1", "req.txt:3"]
    assert caught.value.exit_code == 64


@pytest.mark.parametrize("name", ["pylock.toml", "pyproject.toml", "script.py", "setup.cfg"])
def test_other_kinds_of_files(name, project):
    with pytest.raises(UsageError, match="is not gated yet"):
        read_file(name, str(project))


@pytest.mark.parametrize("name", ["-", "https://h/r.txt", "file:///r.txt"])
def test_other_places(name, project):
    with pytest.raises(UsageError, match="gated yet"):
        read_file(name, str(project))


def test_missing_folder_large_and_strange(project):
    with pytest.raises(UsageError, match=r"could not open requirements file: .*No such file"):
        read_file("none.txt", str(project))
    with pytest.raises(UsageError, match="could not open requirements file"):
        read_file(".", str(project))
    with pytest.raises(UsageError, match="could not open requirements file"):
        read_file("a\0b", str(project))
    (project / "large").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(UsageError, match="larger than"):
        read_file("large", str(project))
    (project / "latin").write_bytes(b"# caf\xe9\n")
    with pytest.raises(UsageError, match="is not utf-8"):
        read_file("latin", str(project))


def test_words_of_the_command_line():
    assert [(item.line(), item.origin) for item in read_words(["six", "a[b]>1"])] == [
        ("six", "command line"),
        ("a[b]>1", "command line"),
    ]
    for word in ("", ".", "./x", "x.whl", "x.tar.gz", "git+ssh://h", "x @ file:/d", "../x[a]", "C:\\x"):
        with pytest.raises(UsageError):
            read_words([word])
