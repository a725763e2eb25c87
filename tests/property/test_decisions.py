"""Laws: more requirements, nos or policies never let more through; a baseline is a fixed point."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from openvet_install.config import Exemption, Mode, parse_policy
from openvet_install.config.baseline import Known, Silent, by_hash, grown, parse_baseline, render, shrunk, staggered
from openvet_install.decide import Action, Evidence, Rules, decide
from tests.support.evidence import INDEX, NOW, SHA, a_file, an_audit

TODAY = NOW.date()
ORDER = list(Action)
NAMES = ("is-benign", "uses-network", "writes-files")
EXPRESSIONS = (*NAMES, "not uses-network", "is-benign and not writes-files", "uses-network implies is-benign")
FILE = a_file()

claims = st.dictionaries(st.sampled_from(NAMES), st.booleans())
audits = st.lists(
    st.builds(
        lambda claims, log, approves: an_audit(FILE, claims, log=log, approves=approves),
        claims, st.sampled_from(["alice", "acme"]), st.booleans(),
    ),
    max_size=2, unique_by=lambda one: one.log,
).map(tuple)  # fmt: skip
evidence = st.builds(
    lambda pinned, newest, elsewhere, siblings: Evidence(
        pinned=pinned, newest=newest, elsewhere=elsewhere, siblings=siblings
    ),
    audits, audits, audits, audits,
)  # fmt: skip
requirements = st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=3, unique=True)
EXEMPTION = Exemption(
    package=FILE.name, version=None, index=INDEX, hashes=frozenset({SHA}), sdist=False, audit=None,
    owner="o", reason="r", until=TODAY, where="openvet.toml:1",
)  # fmt: skip
NAMED = "bb" * 32
LIFT = replace(EXEMPTION, index=None, audit=NAMED[:12])
KNOWN = Known(package=FILE.name, version=FILE.version, until=TODAY, hashes=frozenset({SHA}), owner="o")


def policy_of(expressions):
    return parse_policy("[requirement]\n" + "".join(f'r{n} = "{one}"\n' for n, one in enumerate(expressions)))


settings_ = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(list(Mode)),
        "cooldown": st.sampled_from([timedelta(0), timedelta(days=7)]),
        "exemptions": st.sampled_from([(), (EXEMPTION,)]),
        "baseline": st.sampled_from([{}, by_hash([KNOWN])]),
    }
)


def action(found, *rules):
    by_scope = {one.scope: found for one in rules}
    return ORDER.index(decide(FILE, by_scope, rules, NOW).action)


@given(evidence, requirements, st.sampled_from(EXPRESSIONS), settings_)
def test_one_more_requirement_never_allows_more(found, expressions, more, settings):
    rules = Rules(scope="project", policy=policy_of(expressions), **settings)
    stricter = replace(rules, policy=policy_of([*expressions, more]))
    assert action(found, stricter) >= action(found, rules)


@given(evidence, requirements, settings_, st.sampled_from(["pinned", "newest", "elsewhere"]), st.booleans())
def test_one_more_false_never_turns_a_block_into_less(found, expressions, settings, where, approves):
    rules = Rules(scope="project", policy=policy_of(expressions), **settings)
    no = an_audit(FILE, dict.fromkeys(NAMES, False), log="eve", approves=approves)
    worse = found._replace(**{where: (*getattr(found, where), no)})
    assert action(worse, rules) >= action(found, rules)


@given(evidence, st.lists(st.tuples(requirements, settings_), min_size=2, max_size=3))
def test_one_more_policy_never_allows_more(found, each):
    rules = [
        Rules(scope=scope, policy=policy_of(expressions), **settings)
        for scope, (expressions, settings) in zip(("machine", "user", "project"), each, strict=False)
    ]
    assert action(found, *rules) == max(action(found, one) for one in rules)


@given(evidence, requirements, settings_)
def test_no_exemption_and_no_baseline_lifts_a_no(found, expressions, settings):
    bare = Rules(scope="project", policy=policy_of(expressions), mode=settings["mode"])
    forgiving = replace(bare, exemptions=(EXEMPTION,), baseline=by_hash([KNOWN]))
    before = decide(FILE, {"project": found}, [bare], NOW)
    if before.reason.klass.value == "no":
        assert decide(FILE, {"project": found}, [forgiving], NOW).action is Action.BLOCK


digests = st.sampled_from([f"{n:064x}" for n in range(6)])


@given(evidence, requirements, settings_, st.booleans())
def test_a_lift_changes_nothing_where_its_audit_says_no_no(found, expressions, settings, approves):
    rules = Rules(scope="project", policy=policy_of(expressions), **settings)
    assert action(found, replace(rules, lifts=(LIFT,))) == action(found, rules)
    yes = an_audit(FILE, dict.fromkeys(NAMES, True), log="eve", approves=approves, digest=NAMED)
    good = found._replace(pinned=(*found.pinned, yes), newest=(*found.newest, yes))
    sure = replace(rules, policy=policy_of(["is-benign"]))
    assert action(good, replace(sure, lifts=(LIFT,))) == action(good, sure)


@given(evidence, requirements, settings_, st.sampled_from(["pinned", "newest", "elsewhere", "siblings"]))
def test_a_lift_lifts_its_own_no_only(found, expressions, settings, where):
    rules = Rules(scope="project", policy=policy_of(["is-benign", *expressions]), **settings, lifts=(LIFT,))
    no = {"is-benign": False}
    lifted = Evidence(**{where: (an_audit(FILE, no, log="eve", digest=NAMED),)})
    assert action(lifted, rules) == ORDER.index(Action.ALLOW)
    other = lifted._replace(**{where: (*getattr(lifted, where), an_audit(FILE, no, log="mallory"))})
    assert action(other, rules) == ORDER.index(Action.BLOCK)
    ended = replace(rules, lifts=(replace(LIFT, until=TODAY - timedelta(days=1)),))
    assert action(lifted, ended) == ORDER.index(Action.BLOCK)


releases = st.lists(
    st.builds(
        Silent, package=st.sampled_from(["a", "b", "c", "d"]), version=st.sampled_from(["1.0", "2.0"]),
        hashes=st.frozensets(digests, min_size=1), sdist=st.booleans(),
    ),
    unique_by=lambda one: (one.package, one.version),
)  # fmt: skip


@given(releases, st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.text(min_size=1, max_size=20))
def test_a_baseline_after_a_baseline_is_the_same(silent, day, owner):
    owner = owner.encode("utf-8", "ignore").decode()
    first = grown((), silent, day, owner)
    read = parse_baseline(render(first).encode(), "openvet.baseline.toml", day)
    assert render(read) == render(first)
    assert render(shrunk(read, silent)) == render(first)
    assert grown(read, silent, day + timedelta(days=1), owner) == read


@given(releases, releases, releases)
def test_a_baseline_only_ever_shrinks(first, second, third):
    entries = grown((), first, TODAY, "o")
    once = shrunk(entries, second)
    covered = {(one.package, one.version, digest) for one in entries for digest in one.hashes}
    left = {(one.package, one.version, digest) for one in once for digest in one.hashes}
    assert left <= covered
    again = {(one.package, one.version, digest) for one in shrunk(once, third) for digest in one.hashes}
    assert again <= left
    ends = {(one.package, one.version): one.until for one in entries}
    assert all(one.until == ends[one.package, one.version] for one in once)


@given(st.integers(0, 2000), st.dates(date(2026, 1, 1), date(2030, 1, 1)))
def test_ends_are_staggered_within_a_year(count, day):
    ends = staggered(count, day)
    assert len(ends) == count
    assert all(end.weekday() == 0 and timedelta(days=70) <= end - day <= timedelta(days=366) for end in ends)


def test_two_hundred_end_as_the_journey_says():
    ends = staggered(200, date(2026, 11, 23))
    assert (ends[0], ends[-1], ends.count(ends[0])) == (date(2027, 2, 1), date(2027, 11, 1), 5)
