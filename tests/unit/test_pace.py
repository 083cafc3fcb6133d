"""The pace of one caller: a burst at once, then so many a second, and no more than a second behind."""

from datetime import UTC, datetime

import pytest

from models.errors import RateLimitExceeded
from web.identity.tokens import Caller
from web.limits.quotas import BURST_SECONDS, LONGEST_WAIT, Pace

RATE = 10
ASHA = Caller("asha", "customer", datetime.now(UTC))


def test_a_burst_runs_at_once_and_what_follows_waits_longer_and_longer() -> None:
    pace, burst = Pace(), int(RATE * BURST_SECONDS)
    delays = [pace._delay(ASHA, RATE) for _ in range(burst + 5)]
    assert max(delays[:burst]) <= 0
    assert delays[burst:] == sorted(delays[burst:])
    assert delays[-1] == pytest.approx(5 / RATE, abs=0.05)


def test_a_caller_far_behind_is_refused_and_others_are_not() -> None:
    pace = Pace()
    for _ in range(int(RATE * (BURST_SECONDS + LONGEST_WAIT))):
        pace._delay(ASHA, RATE)
    with pytest.raises(RateLimitExceeded):
        _ = [pace._delay(ASHA, RATE) for _ in range(2)]
    assert pace._delay(Caller("ravi", "customer", ASHA.expires_at), RATE) <= 0
    assert pace._delay(Caller("asha", "driver", ASHA.expires_at), RATE) <= 0
