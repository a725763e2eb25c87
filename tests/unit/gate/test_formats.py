"""Which kinds of files people let pip and uv take."""

import pytest
from pip._internal.models.format_control import FormatControl

from openvet_install.gate.formats import Formats
from tests.support.evidence import a_file

WHEEL, SDIST = a_file("good-lib"), a_file("good-lib", tag="sdist")


@pytest.mark.parametrize(
    "said",
    [
        [],
        [("only-binary", ":all:")],
        [("no-binary", "Good_Lib")],
        [("no-binary", "other,good.lib")],
        [("no-binary", "other")],
        [("no-binary", ":all:"), ("only-binary", "good-lib")],
        [("only-binary", ":all:"), ("no-binary", "good-lib")],
        [("only-binary", "good-lib"), ("no-binary", ":all:")],
        [("only-binary", ":all:"), ("only-binary", ":none:")],
        [("only-binary", "good-lib,:none:,other")],
        [("only-binary", ":all:"), ("no-binary", ":all:")],
    ],
)
def test_as_pip_says(said):
    control = FormatControl()
    for name, value in said:
        both = (control.no_binary, control.only_binary)
        own, other = both if name == "no-binary" else both[::-1]
        FormatControl.handle_mutual_excludes(value, own, other)
    allowed = control.get_allowed_formats("good-lib")
    formats = Formats.said(said)
    assert (formats.takes(WHEEL), formats.takes(SDIST)) == ("binary" in allowed, "source" in allowed)


@pytest.mark.parametrize(
    ("said", "wheel", "sdist"),
    [
        ([("no-build", "true")], True, False),
        ([("no-build", "0")], True, True),
        ([("no-build", ":all:"), ("no-binary-package", "good-lib")], False, True),
        ([("no-build", "1"), ("build", ":all:")], True, True),
        ([("no-build-package", "other good_lib")], True, False),
        ([("no-binary", "true"), ("binary", ":all:")], True, True),
        ([("no-cache", "true"), ("index-url", ":all:")], True, True),
    ],
)
def test_as_uv_says(said, wheel, sdist):
    formats = Formats.said(said)
    assert (formats.takes(WHEEL), formats.takes(SDIST)) == (wheel, sdist)
