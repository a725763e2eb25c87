import pytest

from openvet_install.errors import UsageError
from openvet_install.installers import pip_flags, uv_flags
from openvet_install.installers.tokens import Tokeniser, index

PIP = index(pip_flags.INSTALL)
UV = index(uv_flags.PIP_INSTALL)


def pip(*argv):
    return [token.canonical() for token in Tokeniser(argv, tool="pip 26.3", equals_in_short=False).all(PIP)]


def uv(*argv):
    return [token.canonical() for token in Tokeniser(argv, tool="uv 0.13.9", equals_in_short=True).all(UV)]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-qqU", "x"], [("--quiet",), ("--quiet",), ("--upgrade",), ("x",)]),
        (["-rFILE"], [("--requirement=FILE",)]),
        (["-qrFILE", "-r", "B"], [("--quiet",), ("--requirement=FILE",), ("--requirement=B",)]),
        (["-r=FILE"], [("--requirement==FILE",)]),
        (["--index-url=a=b"], [("--index-url=a=b",)]),
        (["--index-url", "--pre"], [("--index-url=--pre",)]),
        (["--", "--pre", "-q"], [("--pre",), ("-q",)]),
        (["-"], [("-",)]),
        (["--report="], [("--report=",)]),
    ],
)
def test_pip_spellings(argv, expected):
    assert pip(*argv) == expected


def test_uv_clusters_and_equals():
    assert uv("-qiURL", "-p=3.12") == [("--quiet",), ("--index-url=URL",), ("--python=3.12",)]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--x"], "`--x` is not known for pip 26.3"),
        (["--requir=x"], "`--requir` is not known for pip 26.3"),
        (["-Z"], "`-Z` is not known for pip 26.3"),
        (["-qZ"], "`-Z` in `-qZ` is not known for pip 26.3"),
        (["--pre=1"], "`--pre` takes no value"),
        (["--report"], "`--report` needs a value"),
        (["-r"], "`-r` needs a value"),
    ],
)
def test_what_stops(argv, words):
    with pytest.raises(UsageError) as caught:
        pip(*argv)
    assert caught.value.what.replace("``", "`") == words


def test_a_close_name_is_a_hint():
    with pytest.raises(UsageError) as caught:
        pip("--requirment", "x")
    assert caught.value.hint == "did you mean `--requirement`?"
