"""T59: by a clock that was set back exemptions that have ended hold again, and a look is young for ever: it is told."""

import time
from datetime import datetime, timezone

import pytest

from tests.support.attacks import PIP, UV
from tests.support.stage import BENIGN, YES

DAY = 24 * 3600


@pytest.mark.parametrize("command", [PIP, UV, ("openvet-install", "check"), ("openvet-install", "doctor")])
@pytest.mark.parametrize("days", [0, 3])
def test_a_clock_behind_a_head(stage, command, days):
    """As it is with the clock of this machine three days behind."""
    digest = stage.wheel("one", "1.0", YES)
    stage.log.now = int(time.time()) + days * DAY
    stage.log.publish("other", "1.0", claims=YES)
    stage.policy(BENIGN)
    (stage.project / "requirements.txt").write_text(f"one==1.0 --hash=sha256:{digest}\n")
    ended = stage.run(*command, *(["one"] if command in (PIP, UV) else []))
    assert ended.code == 0, ended.err
    day = datetime.now(timezone.utc).date().isoformat()
    told = f"alice: the newest commit is dated in the future, as the clock here says {day}"
    assert (ended.err + ended.out).count(told) == bool(days)
