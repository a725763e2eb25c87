import io
from datetime import datetime, timezone

import pytest

from openvet_install.config import parse_policy
from openvet_install.decide import Action, Decision, Reason, decide
from openvet_install.errors import ConfigError, FaultsError
from openvet_install.gate.model import HeldBack, Judged, LogSeen, Outcome, PolicySeen, Run, Stray, ToolSeen
from openvet_install.report import text
from openvet_install.report.evidence import evidence
from openvet_install.report.terminal import Terminal, plain
from tests.support.evidence import NOW, a_file, an_audit, both, rules

POLICIES = {"project": parse_policy('[requirement]\nbenign = "is-benign"\n')}


def printed(run, width=100, signs=True):
    stream = io.StringIO()
    text.run(Terminal(stream, width, colour=False, signs=signs), run, POLICIES)
    return stream.getvalue()


def a_run(outcome, **values):
    logs = tuple(
        LogSeen(scope="project", name=name, url="u", head="0" * 64, newest="0" * 64, generation=0, checked=None)
        for name in ("alice", "acme")
    )
    tool = ToolSeen(name=values.pop("tool", "pip"), path="pip", version="26.3")
    command = ["pip", "install"]
    return Run(command=command, started=NOW, target=".venv", outcome=outcome, tool=tool, logs=logs, **values)


def judged(file, *audits, route=("command line",)):
    return Judged(decision=decide(file, both(*audits), [rules()], NOW), route=route)


def release(name, version, reason=Reason.UNAUDITED, **more):
    file = a_file(name, version)
    return Judged(decision=Decision(file=file, action=Action.BLOCK, reason=reason, scope="project", **more))


def test_silence_when_all_is_well():
    assert printed(a_run(Outcome.ALLOWED, files=[judged(a_file(), an_audit(a_file(), {"is-benign": True}))])) == ""


def test_a_contradiction_is_told_with_its_tree():
    file = a_file("acme-yaml", "1.4.0")
    audit = an_audit(file, {"is-benign": False})
    audit = audit._replace(
        created_at=int(datetime(2026, 11, 20, tzinfo=timezone.utc).timestamp()),
        summary="reads cloud keys at import",
    )  # fmt: skip
    withheld = [judged(file, audit), *(release("acme-yaml", version) for version in ("1.3.2", "1.3.1", "1.3.0"))]
    run = a_run(Outcome.BLOCKED, exit_code=77, withheld=withheld, stopping=("acme-yaml",))
    assert printed(run) == (
        "openvet: blocked, nothing installed; pip was shown no file of acme-yaml\n"
        "✘ pypi:acme-yaml@1.4.0?py3-none-any    contradicted    command line\n"
        "└─ benign: ✘ contradicted\n"
        '   └─ from alice: ✘ false    audit aa9ce13f7a22, 2026-11-20, "reads cloud keys at import"\n'
        "      └─ is-benign → false\n"
        "3 older releases fit: 1.3.2, 1.3.1, 1.3.0 unaudited\n"
        "hint: openvet-install explain acme-yaml==1.4.0\n"
    )


def test_what_a_policy_says_of_all_files_is_told_once():
    withheld = [
        Judged(decision=decide(a_file("acme", version), both(), [rules("")], NOW), route=("command line",))
        for version in ("1.2", "1.1", "1.0")
    ]
    assert {one.decision.reason for one in withheld} == {Reason.NO_REQUIREMENTS}
    run = a_run(Outcome.BLOCKED, exit_code=77, withheld=withheld, stopping=("acme",))
    assert printed(run).splitlines()[1:4] == [
        "✘ pypi:acme@1.2?py3-none-any    no-requirements    command line",
        "└─ no requirement applies to it",
        "2 older releases fit: 1.1, 1.0 no-requirements",
    ]


def test_many_releases_with_a_no_are_counted():
    files = [a_file("acme", f"1.{number}") for number in range(30, 0, -1)]
    withheld = [judged(file, an_audit(file, {"is-benign": False})) for file in files]
    lines = printed(a_run(Outcome.BLOCKED, exit_code=77, withheld=withheld, stopping=("acme",))).splitlines()
    assert sum(line.startswith("✘ ") for line in lines) == 8
    assert "22 older releases fit: 22 contradicted" in lines


def test_an_unaudited_dependency_is_told_with_its_route():
    route = ("command line", "flask==3.1.3: werkzeug>=3.1.0")
    withheld = [release("werkzeug", f"3.1.{number}")._replace(route=route) for number in (9, 6, 5, 3, 1, 0)]
    run = a_run(
        Outcome.BLOCKED, tool="uv", withheld=withheld, stopping=("werkzeug",), partly=("werkzeug",),
        newest_approved={"werkzeug": "3.0.6"},
    )  # fmt: skip
    assert printed(run).splitlines()[:4] == [
        "openvet: blocked, nothing installed; uv was not shown werkzeug 3.1.0 to 3.1.9 (6 releases)",
        "✘ pypi:werkzeug@3.1.9?py3-none-any    unaudited    flask 3.1.3 → werkzeug>=3.1.0",
        "└─ no matching audit    asked acme, alice; newest approved 3.0.6",
        "5 older releases fit: 3.1.6, 3.1.5, 3.1.3, 3.1.1, 3.1.0 unaudited",
    ]
    assert printed(run).splitlines()[-2:] == [
        "hint: openvet audit new 'pypi:werkzeug@3.1.9?py3-none-any'",
        "hint: openvet-install exempt werkzeug==3.1.9 --until 14d --reason '…'",
    ]


def test_every_kind_of_hint_is_given_once():
    no = Reason.CONTRADICTED
    withheld = [
        release("a", "2.0"), release("b", "1.0"), release("c", "2.0", no), release("d", "2.0"), release("d", "1.0", no),
        release("e", "2.0"), release("e", "1.0", Reason.TOO_OLD),
    ]  # fmt: skip
    run = a_run(Outcome.BLOCKED, withheld=withheld, stopping=tuple("abcde"))
    assert [line for line in printed(run).splitlines() if line.startswith("hint")] == [
        "hint: openvet audit new 'pypi:a@2.0?py3-none-any'",
        "hint: openvet-install exempt a==2.0 --until 14d --reason '…'",
        "hint: openvet-install explain c==2.0",
        "hint: openvet-pip install e==1.0",
    ]
    run = a_run(Outcome.BLOCKED, withheld=withheld[2:4], lock="uv.lock", stopping=("c", "d"))
    run.tool = run.tool._replace(exit=None)
    assert [line for line in printed(run).splitlines() if line.startswith("hint")] == [
        "hint: openvet-install explain c==2.0",
        "hint: openvet audit new 'pypi:d@2.0?py3-none-any'",
        "hint: openvet-install exempt d==2.0 --until 14d --reason '…'",
    ]


def test_what_is_too_old_is_said():
    old = release("flask", "1.1.4", Reason.TOO_OLD, detail="1741 days older, max-lag = '2y'")
    run = a_run(Outcome.BLOCKED, withheld=[release("flask", "3.1.3"), old], stopping=("flask",))
    lines = printed(run).splitlines()
    assert lines[0] == "openvet: blocked, nothing installed; what is approved of flask is too old to fall back to"
    assert "1.1.4 too-old (approved, 1741 days older, max-lag = '2y')" in lines[3]


def test_warn_lists_what_silence_passed():
    files = [
        Judged(
            decision=Decision(file=a_file("anyio", "4.16.0"), action=Action.WARN, reason=Reason.UNAUDITED),
            route=("command line", "httpx==0.28.1: anyio"),
        ),
        Judged(
            decision=Decision(file=a_file("httpcore", "1.0.9"), action=Action.WARN, reason=Reason.NOT_ASSERTED),
            route=("command line", "httpx==0.28.1: httpcore==1.*"),
        ),
        judged(a_file("httpx", "0.28.1"), an_audit(a_file("httpx", "0.28.1"), {"is-benign": True})),
    ]
    policy = PolicySeen(scope="project", file="openvet.toml", sha256="0" * 64, mode="warn", mode_place="openvet.toml:9")
    run = a_run(
        Outcome.WARNED, mode="warn", files=files, policies=(policy,),
        newest_approved={"httpcore": "1.0.7", "anyio": None}, nothing_changed=False,
    )  # fmt: skip
    assert printed(run) == (
        'openvet: warned, 2 of 3 packages are not approved (mode = "warn", openvet.toml:9)\n'
        "! pypi:anyio@4.16.0?py3-none-any      unaudited       httpx 0.28.1 → anyio\n"
        "! pypi:httpcore@1.0.9?py3-none-any    not-asserted    httpx 0.28.1 → httpcore==1.*\n"
        'mode = "block" would withhold both; newest approved: anyio none, httpcore 1.0.7\n'
    )


def test_warn_counts_packages_not_files():
    files = [
        Judged(decision=Decision(file=a_file("six", "1.16.0", tag=tag), action=Action.WARN, reason=Reason.UNAUDITED))
        for tag in ("py3-none-any", "sdist")
    ]
    lines = printed(a_run(Outcome.WARNED, mode="warn", files=files, newest_approved={"six": None})).splitlines()
    assert lines[0].startswith("openvet: warned, 1 of 1 package is not approved")
    assert len(lines) == 4
    assert lines[3] == 'mode = "block" would withhold it; newest approved: six none'


def test_held_back_is_one_line_or_a_table():
    rich = HeldBack(package="rich", chosen="14.2.0", newest="15.0.0", reason="unaudited", days=41)
    assert printed(a_run(Outcome.ALLOWED, held_back=[rich])) == (
        "openvet: held back: rich 14.2.0, newest 15.0.0 is unaudited, 41 days old\n"
    )
    two = [
        HeldBack(package="django", chosen="5.2.9", newest="6.0.1", reason="unaudited", days=12),
        HeldBack(package="asgiref", chosen="3.13.0", newest="3.13.1", reason="contradicted", days=None),
    ]
    assert printed(a_run(Outcome.ALLOWED, held_back=two)) == (
        "openvet: 2 packages held back\n"
        "  django   5.2.9     newest 6.0.1 is unaudited, 12 days old\n"
        "  asgiref  3.13.0    newest 3.13.1 is contradicted\n"
    )


def test_what_is_broken_is_invalid():
    broken = release("good", "1.0", Reason.HASH_MISMATCH, detail="its bytes are others")
    run = a_run(Outcome.INVALID, withheld=[broken])
    assert printed(run) == (
        "openvet: invalid, nothing installed\n✘ pypi:good@1.0?py3-none-any    hash-mismatch    its bytes are others\n"
    )
    stray = Stray(name="evil", version="1.0", path="/t/evil", reason="unexpected-file", text="was never released")
    run = a_run(Outcome.INVALID, strays=[stray], nothing_changed=False, installed=("evil",))
    assert "✘ evil 1.0    unexpected-file    was never released" in printed(run)


def test_an_interruption_says_what_is_there():
    def interrupted(*actions):
        files = [
            Judged(decision=Decision(file=a_file(name, "1.0"), action=action, reason=Reason.APPROVED))
            for name, action in zip(("blinker", "click", "flask"), actions, strict=True)
        ]
        return printed(
            a_run(Outcome.FAILED, interrupted=True, nothing_changed=False, installed=("blinker", "click"), files=files)
        )

    start = "openvet: failed, interrupted; 2 of 3 packages were installed"
    assert interrupted(Action.ALLOW, Action.ALLOW, Action.ALLOW) == f"{start}, approved: blinker, click\n"
    assert interrupted(Action.ALLOW, Action.WARN, Action.ALLOW) == f"{start}: blinker, click\n"


def test_narrow_terminals_fold_rows_and_poor_ones_get_letters():
    run = a_run(Outcome.BLOCKED, withheld=[release("aiohttp", "3.14.1")], stopping=("aiohttp",))
    assert "✘ pypi:aiohttp@3.14.1?py3-none-any\n  unaudited\n" in printed(run, width=30).replace("    \n", "\n")
    assert "x pypi:aiohttp@3.14.1?py3-none-any" in printed(run, signs=False)
    assert "`- no matching audit" in printed(run, signs=False)


def test_text_from_outside_cannot_steer_the_terminal():
    assert plain("a\x1b[31mb\u202ec\u200bd\ne") == "a[31mbcd e"
    assert len(plain("x" * 1000)) == 100


@pytest.mark.parametrize("several", [False, True])
def test_errors_have_what_where_hint(several):
    one = ConfigError(
        "unknown key `cooldwon`", where="openvet.toml:12, key `install.cooldwon`", hint="did you mean `cooldown`?"
    )
    stream = io.StringIO()
    text.error(Terminal(stream, 100, colour=False, signs=True), FaultsError([one, one]) if several else one)
    assert stream.getvalue() == (
        "error: unknown key `cooldwon`\n  --> openvet.toml:12, key `install.cooldwon`\nhint: did you mean `cooldown`?\n"
    ) * (2 if several else 1)


def test_with_several_policies_the_one_that_says_so_is_named():
    file = a_file("acme-yaml", "1.4.0")
    both_policies = {"user": rules().policy, "project": rules().policy}
    silent = decide(file, {}, [rules(scope="user")], NOW)
    assert evidence(silent, both_policies, ["alice"]) == ["└─ no matching audit    asked alice; by the user's policy"]
    no = decide(file, both(an_audit(file, {"is-benign": False})), [rules()], NOW)
    assert evidence(no, both_policies)[0] == "└─ benign: ✘ contradicted; by the project's policy"
    assert evidence(no, {"project": rules().policy})[0] == "└─ benign: ✘ contradicted"
