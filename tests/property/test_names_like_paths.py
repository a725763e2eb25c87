"""No requirement that is taken by name is a path to pip, which looks for one before it reads anything."""

import os
from contextlib import suppress
from types import SimpleNamespace
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from pip._internal.exceptions import InstallationError
from pip._internal.req import constructors

from openvet_install.archive.contents import ArchiveError
from openvet_install.archive.metadata import refuse_references
from openvet_install.errors import UsageError
from openvet_install.installers.lines import by_name
from openvet_install.installers.projects import names_address

PARTS = st.sampled_from(
    [
        *(
            "good",
            "a.zip",
            "x",
            "[",
            "]",
            "(",
            ")",
            "==",
            "===",
            "<9",
            ",",
            ";",
            " ",
            "/",
            "..",
            ".",
            "\\",
            "+x",
            "1.0",
        ),
        *(".whl", ".tar.gz", ".tgz", ".tar.lzma", ".tlz", ".ZIP", ".tbz", "1+a.tar.bz2", "python_version", "'3'", ">"),
    ]
)
TEXTS = st.lists(PARTS, max_size=8).map(lambda parts: "good" + "".join(parts))


class _AllThere:
    """A file system in which every path is that of a file, and of a folder that can be installed."""

    def __getattr__(self, name):
        return (lambda _path: True) if name in ("isfile", "isdir") else getattr(os.path, name)


THERE = SimpleNamespace(path=_AllThere())


def is_path(text):
    with mock.patch.object(constructors, "os", THERE), mock.patch.object(constructors, "is_installable_dir", bool):
        try:
            return constructors.parse_req_from_line(text, None).link is not None
        except InstallationError:
            return False


@given(TEXTS)
def test_what_is_taken_by_name_is_no_path(text):
    with suppress(UsageError):
        assert not is_path(str(by_name(text)))
    try:
        Requirement(text)
    except InvalidRequirement:
        return  # pip looks at nothing else among build requirements
    assert names_address(text) or not is_path(text)
    with suppress(ArchiveError):
        refuse_references([text], "here")
        assert not is_path(text)
