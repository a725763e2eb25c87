import codecs
import os
import threading
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from pip._internal.req.req_file import get_line_parser, preprocess

from openvet_install.errors import FaultsError, UsageError
from openvet_install.installers.commands import Input
from openvet_install.installers.lines import by_name, read_words
from openvet_install.installers.requirements import MAX_FILE_BYTES, Reader
from openvet_install.installers.sources import WHY_NO_VCS

A, B = "a" * 64, "B" * 64
FRAGMENT = "of a fragment only `#sha256=…` and `#egg=NAME` are understood"


def read_file(name, cwd):
    (found,) = Reader(cwd, {}).read([name])
    return found


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


@pytest.mark.parametrize("marker", ["os_name == 'a\nb'", "os_name == 'a\0'", "os_name == '\\'", "(" * 3000 + "os_name"])
def test_a_marker_that_is_none(marker):
    with pytest.raises(UsageError, match="is not a requirement"):
        by_name(f"six; {marker}")


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
        ("-f ftp://h/", "`--find-links`: `ftp://h/` is neither a folder nor an http or https page"),
        ("-f http://[::1", "`--find-links`: `http://[::1` is not an http or https URL"),
        ("-e none", "`none` is no folder: only folders can be installed as editable"),
        ("-i file:///d", "`-i`: `file:///d` is not an http or https URL"),
        ("--extra-index-url=./d", "`--extra-index-url`: `./d` is not an http or https URL"),
        ("--index http://h/simple", "`--index` is not known for requirements files"),
        ("--proxy http://h", "`--proxy` is not known for requirements files"),
        ("--pre six", "`six` stands behind an option"),
        ("-i 'http://h", "an option line that cannot be split: No closing quotation"),
        ("-r other.txt --pre", "`-r` shares its line with other options"),
        (f"--hash=sha256:{A}", "`--hash` without a requirement"),
        ("--no-binary 'a\x01b'", "`--no-binary` has a value with control characters"),
        *(
            (f"{flag} x", f"`{flag}` in a requirements file is refused: {why}")
            for flag, why in (
                ("--trusted-host", "whom to trust without a certificate is said on the command line"),
                ("--use-feature", "give it on the command line"),
                ("-C", "give it on the command line"),
            )
        ),
        ("--no-require-hashes", "`--no-require-hashes` in a requirements file is refused: give it on the command line"),
        ("six --config-settings=a=b", "`--config-settings` of one requirement is not gated"),
        ("six --global-option x", "`--global-option` of one requirement is not gated"),
        ("six --pre", "`--pre` of one requirement is not gated"),
        ("six==${V}", "the environment variable `${V}` is not set"),
        ("evil @ file:///d/none.whl", "`evil @ file:///d/none.whl`: no such file"),
        ("evil@ftp://h/e.whl", "`evil@ftp://h/e.whl` is not an http, https or file URL"),
        ("https://h/e.whl", "`https://h/e.whl`: Invalid wheel filename (wrong number of parts): 'e'"),
        ("evil @ https://h/good-1.0.tar.gz", "`evil @ https://h/good-1.0.tar.gz`: the file is one of good"),
        ("https://h/e-1.0.zip#egg=f", "`https://h/e-1.0.zip#egg=f`: the file is one of e"),
        ("https://h/e-1.0.zip#subdirectory=x&egg=e", "`https://h/e-1.0.zip#subdirectory=x&egg=e`: " + FRAGMENT),
        ("https://h/e-1.0.zip#md5=1", f"`https://h/e-1.0.zip#md5=1`: {FRAGMENT}"),
        ("file:./none.whl", "`file:./none.whl`: no such file"),
        ("git+https://h/r.git", f"`git+https://h/r.git`: {WHY_NO_VCS}"),
        ("x @ git+ssh://h/r", f"`x @ git+ssh://h/r`: {WHY_NO_VCS}"),
        ("./none", "`./none`: no such file"),
        ("-e git+https://h/r", f"`git+https://h/r`: {WHY_NO_VCS}"),
        ("none-1.0-py3-none-any.whl", "`none-1.0-py3-none-any.whl`: no such file"),
        ("d/none.tar.gz", "`d/none.tar.gz`: no such file"),
        (f"six --hash=md5:{'a' * 32}", f"`--hash=md5:{'a' * 32}` is no sha256, sha384 or sha512"),
        ("six --hash=sha256:abc", "`--hash=sha256:abc` is no sha256, sha384 or sha512"),
    ],
)
def test_any_other_line_stops_with_its_place(write, line, words):
    with pytest.raises(UsageError) as caught:
        read(write, f"six\n{line}\n")
    assert (caught.value.what, caught.value.where) == (words, "req.txt:2")


@pytest.mark.parametrize("place", ["none", "file:///none", "./none"])
def test_links_to_nowhere_are_pip_s_to_pass_over(write, place):
    folder = str(write("req.txt", f"-f {place}\nsix\n").parent)
    words = f"`--find-links`: `{place}` is neither a folder nor an http or https page"
    reader = Reader(folder, {})
    (found,) = reader.read(["req.txt"])
    assert (found.text(), found.links, reader.passed_over) == (
        "six\n", (), [f"{words}, so pip passes it over (req.txt:1)"]
    )  # fmt: skip
    with pytest.raises(UsageError) as caught:
        Reader(folder, {}, stdin=True).read(["req.txt"])
    assert (caught.value.what, caught.value.where) == (words, "req.txt:1")


@pytest.mark.parametrize("fragment", [f"egg=e&sha256={A}", f"sha256={A}&egg=E", f"sha256={A}"])
def test_the_name_in_a_fragment_is_left_out(write, fragment):
    (requested,) = read(write, f"https://h/e-1.0.zip#{fragment}\n").requested
    assert requested.source.url == f"https://h/e-1.0.zip#sha256={A}"
    assert str(requested.requirement) == "e==1.0"


def test_a_line_that_is_nothing(write):
    with pytest.raises(UsageError, match="`six =>1` is not a requirement"):
        read(write, "six =>1\n")


def test_all_faults_are_told_in_order(write):
    with pytest.raises(FaultsError) as caught:
        read(write, "-e none\nsix\n-f ftp://d\n")
    assert [fault.where for fault in caught.value.faults] == ["req.txt:1", "req.txt:3"]
    assert caught.value.exit_code == 64


@pytest.mark.parametrize("name", ["pylock.toml", "pyproject.toml", "script.py", "setup.cfg"])
def test_other_kinds_of_files(name, project):
    with pytest.raises(UsageError, match="is not gated yet"):
        read_file(name, str(project))


@pytest.mark.parametrize("name", ["job.pyw", "JOB.Py", "https://h/job.PYW?v=1"])
def test_what_is_a_script_to_uv(name, project):
    with pytest.raises(UsageError, match="is not gated yet"):
        Reader(str(project), {}, stdin=True).read([name])


@pytest.mark.parametrize("name", ["-", "https://h/r.txt", "file:///r.txt"])
def test_other_places(name, project):
    with pytest.raises(UsageError, match=r"could not open|only files on disk"):
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
    assert [(item.line(), item.origin) for item in read_words(["six", "a[b]>1"], "/")[0]] == [
        ("six", "command line"),
        ("a[b]>1", "command line"),
    ]
    for word in ("", "./x", "x.whl", "x.tar.gz", "git+ssh://h", "x @ file:/d", "../x[a]", "C:\\x"):
        with pytest.raises(UsageError):
            read_words([word], "/nonexistent")


def test_nested_files_and_what_they_say(write):
    write("req.txt", "-r sub/a.txt\n-c limits.txt\nsix\n")
    write("sub/a.txt", "--no-binary x --extra-index-url 'http://u:p@h/simple'\n-r ../b.txt\nclick\n")
    write("b.txt", "-c sub/c.txt\n--pre\nidna\n")
    write("limits.txt", "-c sub/d.txt\nclick<9\n")
    write("sub/c.txt", "six<2\n")
    path = write("sub/d.txt", "toml<1\n")
    found, limits = Reader(str(path.parent.parent), {}).read(["req.txt"])
    assert found.text() == "--no-binary x --extra-index-url http://u:p@h/simple\n--pre\nidna\nclick\nsix\n"
    assert [one.origin for one in found.requested] == ["sub/../b.txt:3", "sub/a.txt:3", "req.txt:3"]
    assert [(one.url, one.origin, one.default) for one in found.indexes] == [("http://h/simple", "sub/a.txt:1", False)]
    assert (limits.kind, limits.text()) == ("constraints", "six<2\ntoml<1\nclick<9\n")
    assert [one.origin for one in limits.requested] == ["sub/../sub/c.txt:1", "sub/d.txt:1", "limits.txt:2"]
    assert "p@h" not in repr(found)


def test_a_file_that_names_itself(write):
    write("req.txt", "-r a.txt\n")
    path = write("a.txt", "-r req.txt\n")
    with pytest.raises(UsageError, match=r"`req.txt` names itself") as caught:
        read_file("req.txt", str(path.parent))
    assert caught.value.where == "a.txt:1"


def test_a_flood_of_files(write):
    path = write("a.txt", "six\n")
    write("req.txt", "-r a.txt\n" * 300)
    with pytest.raises(FaultsError, match="more than 200 requirements files"):
        read_file("req.txt", str(path.parent))


def test_constraints_name_constraints_only(write):
    path = write("c.txt", "-r a.txt\n")
    with pytest.raises(UsageError, match="`-r` in a constraints file is refused"):
        Reader(str(path.parent), {}).read(["c.txt"], "constraints")


def test_variables_as_in_pip(write):
    path = write("req.txt", "-i https://${USER}:${WORD}@h/simple  # ${NONE}\n${NAME}==1\n$NAME${name}\n")
    with pytest.raises(UsageError, match="is not a requirement"):
        Reader(str(path.parent), {"USER": "u", "WORD": "w", "NAME": "six"}).read(["req.txt"])
    write("req.txt", "-i https://${USER}:${WORD}@h/simple  # ${NONE}\n${NAME}==1\n")
    (found,) = Reader(str(path.parent), {"USER": "u", "WORD": "w", "NAME": "six"}).read(["req.txt"])
    assert found.text() == "--index-url https://u:w@h/simple\nsix==1\n"
    assert found.indexes[0].url == "https://h/simple"
    for variables in ({}, {"NAME": ""}, {"NAME": "${HTTP_PROXY}"}):
        with pytest.raises(UsageError, match=r"is not set") as caught:
            Reader(str(path.parent), {"USER": "u", "WORD": "w", **variables}).read(["req.txt"])
        assert caught.value.where == "req.txt:2"


def test_uv_calls_the_working_folder_by_a_variable_of_its_own(write):
    path = write("req.txt", "-e ${PROJECT_ROOT}\n")
    (found,) = Reader(str(path.parent), {}, stdin=True).read(["req.txt"])
    assert [one.path for one in found.projects] == [str(path.parent)]
    with pytest.raises(UsageError, match="is not set"):
        Reader(str(path.parent), {}).read(["req.txt"])


def test_files_by_url_are_fetched_once_and_stay_where_they_are():
    texts = {
        "https://u:p@h/d/r.txt": b"-r a.txt\n-c https://g/c.txt\nsix\n",
        "https://u:p@h/d/a.txt": b"click\n",
        "https://g/c.txt": b"six<2\n",
    }
    found, limits = Reader("/none", {}, texts.pop).read(["https://u:p@h/d/r.txt"])
    assert (found.path, found.text(), limits.text()) == ("https://h/d/r.txt", "click\nsix\n", "six<2\n")
    assert [one.origin for one in found.requested] == ["https://h/d/a.txt:1", "https://h/d/r.txt:3"]
    with pytest.raises(UsageError, match="names one on this machine"):
        Reader("/none", {}, lambda _url: b"-r file:///etc/passwd\n").read(["https://h/r.txt"])


def test_file_urls(write):
    path = write("a b.txt", "-r c.txt\n")
    write("c.txt", "six\n")
    (found,) = Reader("/none", {}).read([path.as_uri()])
    assert found.text() == "six\n"
    with pytest.raises(UsageError, match="of another host"):
        Reader("/none", {}).read(["file://h/a.txt"])


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"# -*- coding: latin-1 -*-\n# caf\xe9\nsix\n", "six"),
        (b"#\n# vim: set fileencoding=utf-16-le :\n", None),
        (codecs.BOM_UTF32_LE + "six\n".encode("utf-32-le"), "six"),
    ],
)
def test_encodings_as_in_pip(project, raw, name):
    (project / "r").write_bytes(raw)
    if name is None:
        with pytest.raises(UsageError):
            read_file("r", str(project))
    else:
        assert [item.line() for item in read_file("r", str(project)).requested] == [name]
    (project / "r").write_bytes(b"# coding: rot13\nsix\n")
    with pytest.raises(UsageError, match="no text in the encoding"):
        read_file("r", str(project))


@pytest.mark.parametrize(
    "raw",
    [
        b"six # c \\\nevil\n",
        b"six \\\n --pre # c \\\r\nevil\n",
        b"six\t#\\\n-r evil\n",
        b"# coding: hz\n# c ~\nevil\n",
        b"\n#coding=unicode_escape\n# c \\\nevil\n",
    ],
)
def test_a_line_that_pip_passes_over_and_uv_does_not_is_refused(project, raw):
    """The last one stands in a comment for pip; uv 0.13.9 takes it."""
    (project / "r").write_bytes(raw)
    with pytest.raises(UsageError, match="pip and uv read differently"):
        read_file("r", str(project))
    (project / "r").write_bytes(b"# c \\\nsix\n")
    assert [item.line() for item in read_file("r", str(project)).requested] == ["six"]


PIECES = st.sampled_from(
    ["six", "click==1", " ", "\\", "\n", "\\\n", "#", " # x", "\r\n", "\t", "\x0c", "--pre", "-i http://h/s", "\u2028",
     "${A}", "; python_version > '3'", "--hash=sha256:" + A, "--no-binary x"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
@example("six \\\n  --hash=sha256:" + A)
@example("six\t--hash=sha256:" + A)
def test_we_read_what_pip_reads(text):
    try:
        (ours,) = Reader("/none", {"A": "toml"}, lambda _url: text.encode()).read(["https://h/r"])
    except (UsageError, FaultsError):
        return  # we may refuse more
    parse = get_line_parser(None)
    with patch.dict(os.environ, {"A": "toml"}):
        theirs = [(parse(line), number) for number, line in preprocess(text)]
    wanted = [(args, number) for (args, _options), number in theirs if args]
    got = [(one.requirement, int(one.origin.rpartition(":")[2])) for one in ours.requested]
    try:
        assert got == [(Requirement(args), number) for args, number in wanted]
    except InvalidRequirement:
        assert "\t" in text  # pip takes no tab before an option, uv does; both get a space
        return
    again = [parse(line)[1] for _, line in preprocess(ours.text())]
    for name in ("index_url", "hashes", "pre"):
        assert [getattr(one, name) for one in again] == [getattr(options, name) for (_, options), _ in theirs]
    assert [str(one.format_control) for one in again] == [str(options.format_control) for (_, options), _ in theirs]
