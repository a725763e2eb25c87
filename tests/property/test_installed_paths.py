"""Paths of an installed RECORD are read as `normpath` reads them, only sooner."""

import os

from hypothesis import given
from hypothesis import strategies as st

from openvet_install.installers.disk import _absolute

PATHS = st.text("ab./\\ \t\u00e9", max_size=12)


@given(PATHS)
def test_absolute_paths_have_no_dots_and_no_empty_parts(path):
    root = "/p/lib"
    assert _absolute(root, path) == os.path.normpath(path if path.startswith("/") else f"{root}/{path}")
