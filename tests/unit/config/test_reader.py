from datetime import date, timedelta

import pytest

from openvet_install.config import Mode, read_policy
from openvet_install.errors import ConfigError, FaultsError

TODAY = date(2026, 11, 23)


def read(folder, text, **more):
    path = folder / "openvet.toml"
    path.write_text(text)
    return read_policy("project", path, TODAY, **more)


def fault(folder, text):
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return caught.value


def test_the_whole_install_table(tmp_path):
    policy = read(
        tmp_path,
        """
[log.alice]
url = "https://logs.example/alice"
[requirement]
benign = "is-benign"
[install]
mode = "warn"
sdists = "never"
local-projects = [".", "lib"]
heads = "latest"
check-every = "0s"
stale-after = "2w"
cooldown = "3d"
max-lag = "1y"
carry = "content"
isolation = "off"
[install.log.alice]
operators = ["SHA256:9mGxV1w3u0q6c1rK2dTz7yBfHn5Ls8Pe4oAi0XjQkWk"]
expect = "30d"
[[install.exempt]]
package = "Internal.Tool"
version = "1.4.0"
index = "https://index.example/simple"
owner = "platform@example.com"
reason = "our own build"
until = 2027-01-31
""",
    )
    settings = policy.settings
    assert settings.mode is Mode.WARN
    assert (settings.sdists, settings.heads, settings.isolation) == ("never", "latest", "off")
    assert settings.cooldown == timedelta(days=3)
    assert settings.check_every == timedelta(0)
    assert settings.said["mode"] == "openvet.toml:7"
    assert policy.logs["alice"].expect == timedelta(days=30)
    assert settings.exemptions[0].package == "internal-tool"
    assert settings.exemptions[0].where == "openvet.toml:20"


def test_an_unknown_key_names_the_nearest_one(tmp_path):
    error = fault(tmp_path, '[install]\nmode = "warn"\ncooldwon = "3d"\n')
    assert error.what == "unknown key `cooldwon`"
    assert error.where == "openvet.toml:3, key `install.cooldwon`"
    assert error.hint == "did you mean `cooldown`?"


def test_a_key_after_a_long_array_has_its_own_line(tmp_path):
    error = fault(tmp_path, '[install]\nlocal-projects = [\n  ".",\n  "lib",\n]\nmoed = "warn"\n')
    assert error.where == "openvet.toml:6, key `install.moed`"


def test_faults_in_arrays_of_tables_are_counted(tmp_path):
    text = '[requirement]\na = "x"\n[[override]]\nrequirements = ["a"]\n[[override]]\nrequirements = { add = ["b"] }\n'
    error = fault(tmp_path, text)
    assert error.what == "override names a requirement that does not exist: `b`"
    assert error.where == "openvet.toml:6, key `override[1].requirements.add[0]`"


def test_an_expression_error_draws_a_caret(tmp_path):
    error = fault(tmp_path, '[requirement]\nbenign = "is-benign and"\n')
    assert error.what.splitlines()[0] == "requirement `benign`: expression: unexpected end"
    assert error.what.splitlines()[-1].strip() == "^"
    assert error.where == "openvet.toml:2, key `requirement.benign`"


def test_all_faults_are_told_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "openvet.toml"
    path.write_text('[log.a]\nurl = 1\n[requirement]\nb = ""\n[install]\nmode = "wran"\nx = 1\n')
    with pytest.raises(FaultsError) as caught:
        read_policy("project", path, TODAY)
    lines = [fault.where.partition(",")[0] for fault in caught.value.faults]
    assert lines == ["openvet.toml:2", "openvet.toml:4", "openvet.toml:6", "openvet.toml:7"]


def test_broken_toml_has_its_line(tmp_path):
    error = fault(tmp_path, '[install]\nmode = "warn\n')
    assert error.where == "openvet.toml:2"


def test_both_sides_of_a_merge_are_told(tmp_path):
    error = fault(tmp_path, '[install]\n<<<<<<< HEAD\nmode = "warn"\n=======\n>>>>>>> theirs\n')
    assert error.where == "openvet.toml:2"
    assert error.hint == "git left both sides of a merge in it: keep one of them whole"


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "openvet.toml").write_bytes(b'\xef\xbb\xbf[install]\nmode = "warn"\n')
    assert read_policy("project", tmp_path / "openvet.toml", TODAY).settings.mode is Mode.WARN


def test_a_number_of_too_many_digits_is_a_fault(tmp_path):
    assert "not TOML" in fault(tmp_path, f"[install]\nx = {'1' * 5000}\n").what


def test_only_line_feeds_end_lines(tmp_path):
    text = '# a\u2028"\\q" = 1\n# b\x85[[install.exempt]]\n[install]\nmode = "wran"\n'
    assert fault(tmp_path, text).where == "openvet.toml:4, key `install.mode`"


def test_values_of_many_lines_are_no_keys(tmp_path):
    text = '''\
[requirement]
a = """
[install]
mode = "wran" \\""" #"
"""
b = { condition = '[{"#', default = [ # ]
  "]"] }
[install]
"mode" = "wran"
'''
    with pytest.raises(FaultsError) as caught:
        read(tmp_path, text)
    assert [one.where.partition(",")[0] for one in caught.value.faults] == [f"openvet.toml:{n}" for n in (2, 6, 6, 9)]


def test_a_long_array_is_read_in_no_time(tmp_path):
    lines = '  "lib", # ]\n' * 50_000
    error = fault(tmp_path, f"[install]\nlocal-projects = [\n{lines}]\nmode = 1\n")
    assert error.where == "openvet.toml:50004, key `install.mode`"


@pytest.mark.parametrize(
    "url", ["https://[logs.example/acme", "ftp://logs.example/acme", "logs.example", "https://logs.example:99999/", ""]
)
def test_what_is_no_address_of_a_log(tmp_path, url):
    log = f'[log.a]\nurl = "{url}"\n'
    assert fault(tmp_path, log).where == "openvet.toml:2, key `log.a.url`"
    mirror = f'[log.a]\nurl = "https://logs.example/a"\n[install.log.a]\nmirrors = ["https://b.example", "{url}"]\n'
    assert fault(tmp_path, mirror).where == "openvet.toml:4, key `install.log.a.mirrors[1]`"


def test_install_may_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "openvet-install.toml").write_text('[install]\nmode = "warn"\n')
    policy = read(tmp_path, '[requirement]\nbenign = "is-benign"\n')
    assert policy.settings.mode is Mode.WARN
    assert "benign" in policy.policy.requirements


def test_install_in_both_files_is_an_error(tmp_path):
    (tmp_path / "openvet-install.toml").write_text('[install]\nmode = "warn"\n')
    assert "stands in openvet.toml and in openvet-install.toml" in fault(tmp_path, "[install]\n").what


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("", "needs `hashes`, or `version` and `index`"),
        ('version = "1"\n', "needs `hashes`, or `version` and `index`"),
        ('version = "soon"\nindex = "https://index.example/simple"\n', "not a version: `soon`"),
        ('hashes = ["sha256:ab"]\n', "not `sha256:` and 64 digits"),
        ('hashes = ["sha256:' + "ab" * 32 + '"]\nuntil = 2999-01-01\n', "at most a year ahead"),
        ('hashes = ["sha256:' + "ab" * 32 + '"]\nuntil = "soon"\n', "must be a date"),
    ],
)
def test_a_loose_exemption_is_refused(tmp_path, entry, what):
    until = "" if "until" in entry else "until = 2027-01-31\n"
    text = f'[[install.exempt]]\npackage = "x"\nowner = "o"\nreason = "r"\n{until}{entry}'
    assert what in fault(tmp_path, text).what


def test_a_log_setting_without_its_log_is_a_fault(tmp_path):
    assert "there is no `[log.bob]`" in fault(tmp_path, "[install.log.bob]\n").what
