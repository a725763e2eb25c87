from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from openvet_install.gate.wanted import Needs, Root, Wanted, satisfiable

LINUX = {"python_version": "3.11", "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def typed(*lines):
    return [Root(Requirement(line), "command line") for line in lines]


def test_the_shortest_route_leads_over_released_metadata():
    needs = [
        Needs("flask", "3.1.3", ("werkzeug>=3.1.0", "jinja2>=3.1.2")),
        Needs("jinja2", "3.1.6", ("MarkupSafe>=2.0",)),
        Needs("werkzeug", "3.1.3", ("MarkupSafe>=2.1.1",)),
    ]
    wanted = Wanted(typed("flask"), needs, LINUX)
    assert wanted.route("flask") == ("command line",)
    assert wanted.route("werkzeug") == ("command line", "flask==3.1.3: werkzeug>=3.1.0")
    assert wanted.route("markupsafe") == (
        "command line",
        "flask==3.1.3: werkzeug>=3.1.0",
        "werkzeug==3.1.3: markupsafe>=2.1.1",
    )
    assert wanted.route("nobody") == ()


def test_markers_and_extras_decide_what_is_asked():
    needs = [Needs("app", "1", ('win; sys_platform == "win32"', 'fast; extra == "speed"', 'slow; extra == "other"'))]
    wanted = Wanted(typed("app[speed]"), needs, LINUX)
    assert wanted.route("win") == ()
    assert wanted.route("fast") != ()
    assert wanted.route("slow") == ()


def test_a_root_whose_marker_does_not_hold_is_no_root():
    assert Wanted(typed('app; sys_platform == "win32"'), [], LINUX).route("app") == ()


def test_build_requirements_are_part_of_the_way():
    needs = [Needs("app", "1", (), ("setuptools>=61",))]
    assert Wanted(typed("app"), needs, LINUX).route("setuptools") == ("command line", "app==1: setuptools>=61")


def test_demands_are_joined_with_what_people_typed():
    needs = [Needs("a", "1", ("b>=2",)), Needs("a", "2", ("b>=3",))]
    wanted = Wanted(typed("a", "b<4"), needs, LINUX)
    assert wanted.specifiers("b", {"a": "1"}) == SpecifierSet("<4,>=2")
    assert SpecifierSet("<4,>=3") in wanted.alternatives("b")
    assert satisfiable(SpecifierSet(">=2"), ["1.0", "2.0"])
    assert not satisfiable(SpecifierSet(">=3"), ["1.0", "2.0"])


def test_a_marker_that_makes_no_sense_counts():
    needs = [Needs("app", "1", ("odd; sys_platform ~= 'x'",))]
    assert Wanted(typed("app"), needs, LINUX).route("odd") != ()


def test_metadata_that_cannot_be_read_asks_for_nothing():
    assert Wanted(typed("a"), [Needs("a", "1", ("not a requirement !",))], LINUX).route("not") == ()
