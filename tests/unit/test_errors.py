"""Several faults end like the gravest of them: invalid, blocked, undecided, then whatever came first."""

import pytest

from openvet_install.errors import (
    ConfigError,
    DirectReferenceError,
    FaultsError,
    InvalidError,
    UndecidedError,
    UsageError,
    gravest,
)
from openvet_install.gate.model import LogStopsError

USAGE, BLOCKED, UNDECIDED, INVALID, CONFIG = (
    kind("x") for kind in (UsageError, DirectReferenceError, UndecidedError, InvalidError, ConfigError)
)


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ([UNDECIDED, INVALID, BLOCKED], 65),
        ([UNDECIDED, BLOCKED], 77),
        ([USAGE, UNDECIDED], 69),
        ([USAGE, BLOCKED], 77),
        ([USAGE, CONFIG], 64),
        ([CONFIG, USAGE], 78),
        ([CONFIG], 78),
    ],
)
def test_the_gravest_ends_it(faults, code):
    error = FaultsError(faults)
    assert error.exit_code == code
    assert error.faults == faults


def test_nothing_is_no_fault():
    assert gravest([]) == 0


def test_logs_that_stop_a_run_are_told_with_the_gravest_first():
    error = LogStopsError([("alice", UndecidedError("away", where="http://a")), ("bob", InvalidError("forked"))])
    assert error.exit_code == 65
    assert [(one.name, one.what, one.detail, one.reason.code) for one in error.troubles] == [
        ("bob", "forked", None, "log-invalid"),
        ("alice", "away", "http://a", "log-unreachable"),
    ]
    assert error.what == "forked"
