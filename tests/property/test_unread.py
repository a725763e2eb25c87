"""Leaving entries of a page unread changes neither what is shown nor, once they are read, any word about the rest."""

from datetime import date, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from openvet_install.config import Mode
from openvet_install.config.model import Exemption
from openvet_install.decide import NOTHING, Evidence
from openvet_install.gate.keeper import Keeper
from openvet_install.gateway.pages import HTML_TYPE, JSON_TYPE, Page, parse_page, render_html, render_json
from tests.support.evidence import INDEX, NOW, a_file, an_audit, rules

URL = "https://192.0.2.1/simple/goodlib/"  # a literal, so that no name is looked up
VERSIONS = ["0.9", "1.0", "1.1", "2.0rc1", "2.0", "10.0"]
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(VERSIONS),
        st.sampled_from(["py3-none-any", "cp311-cp311-win_amd64", "sdist"]),
        st.sampled_from([None, None, True, False, "withdrawn", "elsewhere"]),  # what the log says
        st.integers(0, 1500),  # age in days
        st.booleans(),  # whether the index states a sha256
        st.sampled_from([False, False, "broken"]),  # yanked
    ),
    unique_by=lambda one: one[:2],
    max_size=10,
)
EXEMPTIONS = st.lists(st.tuples(st.sampled_from(VERSIONS), st.booleans(), st.booleans()), max_size=2)
MODES = st.lists(st.sampled_from(Mode), min_size=1, max_size=2)


class Logs:
    """What a log says of the files of one page."""

    def __init__(self, told):
        self.told = told

    def evidence(self, file):
        value = self.told.get(file.sha256)
        if value == "elsewhere":
            found = Evidence(elsewhere=(an_audit(file, {"is-benign": False}),))
            return {"project": found, "user": found}
        if value is None:
            others = [one for one in self.told if one[:6] == (file.sha256 or "")[:6] and self.told[one] is False]
            siblings = tuple(an_audit(file, {"is-benign": False}) for _ in others)
            return {scope: Evidence(siblings=siblings) if siblings else NOTHING for scope in ("project", "user")}
        audit = (an_audit(file, {"is-benign": value is not False}),)
        found = Evidence(pinned=audit, newest=() if value == "withdrawn" else audit)
        return {"project": found, "user": found}

    def audited(self, name):
        return frozenset(one for one, value in self.told.items() if value != "elsewhere")

    def sole_sha256(self, coordinate):
        return None


def digest(version, tag):
    return f"{VERSIONS.index(version):06x}" + f"{len(tag):058x}"


def judged(entries, exemptions, modes, kind, *, quick):
    files = tuple(
        a_file(
            "goodlib",
            version,
            tag=tag,
            sha256=digest(version, tag) if hashed else None,
            uploaded=NOW - timedelta(days=age),
            yanked=yanked,
        )
        for version, tag, _value, age, hashed, yanked in entries
    )
    told = {digest(version, tag): value for version, tag, value, *_ in entries if value is not None}
    lifted = tuple(
        Exemption(
            package="goodlib",
            version=version,
            index=None if by_hash else INDEX,
            hashes=frozenset([digest(version, "py3-none-any")] if by_hash else []),
            audit=None,
            sdist=sdist,
            owner="o",
            reason="r",
            until=date(2027, 1, 1),
            where="here",
        )
        for version, by_hash, sdist in exemptions
    )
    policies = [
        rules(scope=scope, mode=mode, exemptions=lifted, max_lag=timedelta(days=700))
        for scope, mode in zip(("project", "user"), modes, strict=False)
    ]
    keeper = Keeper(knowledge=Logs(told), rules=policies, now=NOW, hosts=[], archives=None)
    page = Page(url=URL, index=INDEX, project="goodlib", files=files)
    body = render_json(page) if kind == JSON_TYPE else render_html(page)
    read = parse_page(body, kind, URL, index=INDEX, wanted=keeper.wanted if quick else None)
    shown = {file.url for file in keeper.page(read).files}
    keeper.read_all()
    words = {one.file.url: (one.action, one.reason) for one in keeper.ledger.decisions().get("goodlib", ())}
    return shown, words


SIBLING_OF_TODAY = [
    ("0.9", "py3-none-any", True, 701, True, False),
    ("0.9", "cp311-cp311-win_amd64", None, 0, True, False),
    ("1.0", "py3-none-any", None, 0, False, False),
]


@example(SIBLING_OF_TODAY, [], [Mode.BLOCK], JSON_TYPE)
@settings(max_examples=400)
@given(ENTRIES, EXEMPTIONS, MODES, st.sampled_from([JSON_TYPE, HTML_TYPE]))
def test_what_is_left_unread_changes_nothing(entries, exemptions, modes, kind):
    assert judged(entries, exemptions, modes, kind, quick=True) == judged(entries, exemptions, modes, kind, quick=False)
