import pytest

from openvet_install.cli import manage
from openvet_install.cli.options import ReportTo, WrapperOptions, split
from openvet_install.errors import UsageError


def test_nothing_said():
    assert split(["install", "-q", "x"], {}) == (WrapperOptions(), ("install", "-q", "x"))


def test_both_forms_anywhere_and_repeated():
    argv = ["--openvet-mode", "warn", "install", "--openvet-report=json:r.json", "x", "--openvet-report", "jsonl"]
    options, rest = split([*argv, "--openvet-offline", "--openvet-project=p"], {})
    assert rest == ("install", "x")
    assert options == WrapperOptions("p", "warn", (ReportTo("json", "r.json"), ReportTo("jsonl", "-")), offline=True)


def test_nothing_behind_two_dashes():
    assert split(["run", "--", "--openvet-x"], {})[1] == ("run", "--", "--openvet-x")


def test_variables_count_and_are_named():
    environ = {
        "OPENVET_INSTALL_MODE": "block",
        "OPENVET_INSTALL_REPORT": "json:a sarif:b",
        "OPENVET_INSTALL_OFFLINE": "yes",
        "OPENVET_INSTALL_PROJECT": "",
    }
    options, _ = split([], environ)
    assert options.mode == "block"
    assert options.offline
    assert options.project is None
    assert options.reports == (ReportTo("json", "a"), ReportTo("sarif", "b"))
    assert set(options.variables) == {"OPENVET_INSTALL_MODE", "OPENVET_INSTALL_REPORT", "OPENVET_INSTALL_OFFLINE"}


def test_an_option_beats_its_variable():
    options, _ = split(["--openvet-mode=warn"], {"OPENVET_INSTALL_MODE": "block"})
    assert (options.mode, options.variables) == ("warn", ())


@pytest.mark.parametrize(
    ("argv", "environ", "words", "hint"),
    [
        (["--openvet-mod=warn"], {}, "unknown option `--openvet-mod`", "did you mean `--openvet-mode`?"),
        (["--openvet-mode"], {}, "`--openvet-mode` needs a value", None),
        (["--openvet-mode=off"], {}, "`--openvet-mode`: no such mode `off`", "block | warn | record"),
        (["--openvet-offline=1"], {}, "`--openvet-offline` takes no value", None),
        (["--openvet-report=xml"], {}, "`--openvet-report`: no such format `xml`", None),
        (["--openvet-report=json:"], {}, "`--openvet-report`: `json:` names no path", None),
        (
            [],
            {"OPENVET_INSTALL_OFFLINE": "maybe"},
            "`OPENVET_INSTALL_OFFLINE`: `maybe` is neither true nor false",
            None,
        ),
        ([], {"OPENVET_INSTALL_MODE": "x"}, "`OPENVET_INSTALL_MODE`: no such mode `x`", None),
    ],
)
def test_what_stops(argv, environ, words, hint):
    with pytest.raises(UsageError) as caught:
        split(argv, environ)
    assert caught.value.what == words
    if hint is not None:
        assert caught.value.hint == hint


@pytest.mark.parametrize("name", ["TOLDD", "TIMING", "THROUG"])
def test_a_mistyped_variable_is_not_taken_for_one_between_our_own_processes(name):
    with pytest.raises(UsageError, match="unknown variable") as caught:
        split([], {f"OPENVET_INSTALL_{name}": "1"})
    for one in ("TOLD", "TIMINGS", "THROUGH"):
        assert f"OPENVET_INSTALL_{one}" not in caught.value.hint.replace("`", "").replace("?", "").split()


def test_faults_of_the_commands_around_name_what_was_typed():
    with pytest.raises(UsageError, match="`--mode`: no such mode `x`"):
        manage.run(["config", "--mode=x"])
