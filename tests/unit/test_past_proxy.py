"""Which hosts `NO_PROXY` names."""

import pytest

from openvet_install.past_proxy import goes_past


@pytest.mark.parametrize(
    ("no_proxy", "host", "expected"),
    [
        ("", "index.example", False),
        ("*", "index.example", True),
        ("other, *", "index.example", True),
        ("index.example", "index.example", True),
        ("Index.Example", "index.example", True),
        ("example", "index.example", True),
        (".example", "index.example", True),
        ("index.example", "my.index.example", True),
        ("dex.example", "index.example", False),
        ("index.example:443", "index.example", True),
        ("index.example:80", "index.example", False),
        (" a , ,index.example ", "index.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.7/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "index.example", False),
        ("10.0.0.0/nothing", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd00::/8", "fd00::1", True),
        ("fd00::1", "fd00::1", True),
        ("[fd00::1]", "fd00::1", True),
        ("[fd00::1]:443", "fd00::1", True),
        ("fd00::/8", "10.1.2.3", False),
    ],
)
def test_whom_it_names(no_proxy, host, expected):
    assert goes_past(no_proxy, host, 443) == expected
