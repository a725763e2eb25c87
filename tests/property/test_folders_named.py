"""A folder is handed to pip by a word that is the folder that was judged to it, and no other."""

import os
from contextlib import suppress
from types import SimpleNamespace
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from pip._internal.exceptions import InstallationError
from pip._internal.req import constructors
from pip._vendor.packaging.requirements import InvalidRequirement

from openvet_install.errors import UsageError
from openvet_install.installers import projects

CWD = "/w"
PARTS = st.sampled_from(
    ["a", "b", "..", ".", "/", "file:", "good @ ", "[x]", "[", "]", "[]", " ", "\t", ";", "#", "?", "%2F", "%20", "$A"]
)
STARTS = st.sampled_from(["", "./", "../", "/x/", "file:", "file:///x/", "good @ ", "good @ file:///x/"])
ENDS = st.sampled_from(["", "[x]", " [x]", "[]", "[[x]", "[x][y]", " ", "/", "#egg=good"])
TEXTS = st.tuples(STARTS, st.lists(PARTS, max_size=4).map("".join), ENDS).map("".join)


class _AllThere:
    """A file system in which every path is that of a folder that can be installed, but for addresses."""

    def __getattr__(self, name):
        found = {"isfile": lambda _path: False, "isdir": lambda path: "file:" not in path}
        return found[name] if name in found else getattr(os.path, name)


THERE = SimpleNamespace(path=_AllThere(), sep=os.sep)


def built(word):
    """Which folder pip would build for a word of ours; None where it stops."""
    parse = constructors.parse_req_from_line
    if word.startswith("--editable="):
        parse, word = lambda text, _source: constructors.parse_req_from_editable(text), word.partition("=")[2]
    with mock.patch.object(constructors, "os", THERE), mock.patch.object(constructors, "is_installable_dir", bool):
        try:
            return parse(word, None).link
        except (InstallationError, InvalidRequirement):
            return None


@settings(max_examples=300)
@given(TEXTS, st.booleans())
def test_what_pip_builds_was_judged(text, editable):
    with suppress(UsageError), mock.patch.object(projects, "os", THERE):
        project = projects.read_project(text, CWD, "here", editable=editable)
        for word in project.words if project is not None else ():
            link = built(word)
            assert link is None or (link.file_path.rstrip("/") or "/", link.subdirectory_fragment) == (
                project.path,
                None,
            )
