"""When a request is sent again, and after how long. No clock and no network: both doors use it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from weelo_client import envelope
from weelo_client.results import Refused

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
# The refusals that the contract says a repeat may change.
WORTH_REPEATING = frozenset({"CONCURRENT_REQUEST", "RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"})
# After these the system promises that nothing was made and nothing will appear later.
NOTHING_MADE = frozenset({"RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"})
# Beside every 5xx: the request came too slowly, too early, or was one too many.
PASSING = frozenset({408, 425, 429})
# Says that the token has run out since, and nothing of what became of an earlier try.
SILENT_ON_EARLIER_TRIES = frozenset({"UNAUTHENTICATED"})


@dataclass(frozen=True)
class Answer:
    """One answer; status 0 is none at all. ``headers`` have lower-case names.

    Only what has our envelope is an answer of the system. Anything else, whatever its status, comes from
    something on the way, and says nothing of what became of the request.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300 and envelope.data(self.body) is not None

    @property
    def data(self) -> dict[str, Any]:
        return envelope.data(self.body) or {}

    @property
    def code(self) -> str:
        """The contract's code of a refusal, else nothing."""
        return envelope.code(self.body) if self.status >= 400 else ""

    @property
    def retry_after(self) -> float | None:
        """Seconds, also of the form with a date (RFC 9110, 10.2.3); None for what is neither."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdecimal():
            return float(text)
        until = _moment(text)
        return (
            (until - (_moment(self.headers.get("date", "")) or datetime.now(UTC))).total_seconds()
            if until
            else None
        )

    @property
    def worth_repeating(self) -> bool:
        if self.ok:
            return False
        return not self.code or self.status >= 500 or self.status in PASSING or self.code in WORTH_REPEATING

    @property
    def leaves_doubt(self) -> bool:
        """Whether the request may have been done, or is being done, for all that this answer says."""
        return self.worth_repeating and self.code not in NOTHING_MADE

    def refused(self) -> Refused:
        """The refusal, if ``code`` says that it is one."""
        error = self.body["error"]
        details, data = error.get("details"), error.get("data")
        return Refused(
            self.status,
            self.code,
            str(error.get("message") or ""),
            tuple(details) if isinstance(details, list) else (),
            dict(data) if isinstance(data, dict) else {},
            self.retry_after,
        )


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Outcome:
    """The last answer, and whether an earlier try may have been done without our hearing of it."""

    answer: Answer
    doubtful: bool

    @property
    def undecided(self) -> bool:
        """A refusal for good decides it; one that a repeat could change does not, if there was doubt."""
        answer = self.answer
        open_yet = answer.worth_repeating or answer.code in SILENT_ON_EARLIER_TRIES
        return answer.leaves_doubt or (self.doubtful and open_yet)


class Tries:
    """The tries of one request until ``deadline`` (of the clock that ``now`` is read from)."""

    def __init__(self, deadline: float, dice: random.Random | None = None) -> None:
        self._deadline = deadline
        self._dice = dice or random.Random()
        self._pause = FIRST_PAUSE_S
        self._doubtful = False

    def outcome(self, answer: Answer) -> Outcome:
        """What the tries came to, with this as the last answer."""
        return Outcome(answer, self._doubtful)

    def pause(self, answer: Answer, now: float) -> float | None:
        """Seconds until the next try, or None if this answer is the last one."""
        if not answer.worth_repeating:
            return None
        spread = self._dice.uniform(0.5, 1.0)
        asked = answer.retry_after or 0.0
        wait = asked + 0.1 * spread if asked > 0 else self._pause * spread
        if now + wait > self._deadline:
            return None
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        self._doubtful = self._doubtful or answer.leaves_doubt
        return wait
