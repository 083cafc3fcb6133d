"""When a request is sent again, and after how long. No clock and no network: both doors use it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weelo_client.results import Refused

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
# The refusals that the contract says a repeat may change.
WORTH_REPEATING = frozenset({"CONCURRENT_REQUEST", "RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"})
# After these the system promises that nothing was made and nothing will appear later.
NOTHING_MADE = frozenset({"RATE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"})


@dataclass(frozen=True)
class Answer:
    """One answer; status 0 is none at all. ``headers`` have lower-case names."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300 and isinstance(self.body.get("data"), dict)

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.body["data"])

    @property
    def code(self) -> str:
        error = self.body.get("error")
        return str(error.get("code", "")) if isinstance(error, dict) else ""

    @property
    def retry_after(self) -> float | None:
        """Seconds; the form with a date is not spoken here."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdecimal() else None

    @property
    def worth_repeating(self) -> bool:
        return self.status == 0 or self.status >= 500 or self.code in WORTH_REPEATING

    @property
    def leaves_doubt(self) -> bool:
        """Whether the request may have been done, or is being done, for all that this answer says."""
        return self.worth_repeating and self.code not in NOTHING_MADE

    def refused(self) -> Refused:
        """The refusal, also of something on the way that does not speak the contract."""
        error = self.body.get("error")
        said = error if isinstance(error, dict) else {}
        return Refused(
            self.status,
            str(said.get("code") or f"HTTP_{self.status}"),
            str(said.get("message") or "no usable answer"),
            tuple(said.get("details") or ()),
            dict(said.get("data") or {}),
            self.retry_after,
        )


@dataclass(frozen=True)
class Outcome:
    """The last answer, and whether an earlier try may have been done without our hearing of it."""

    answer: Answer
    doubtful: bool

    @property
    def undecided(self) -> bool:
        """A refusal for good decides it; one that a repeat could change does not, if there was doubt."""
        return self.answer.leaves_doubt or (self.doubtful and self.answer.worth_repeating)


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
        wait = self._pause * spread if answer.retry_after is None else answer.retry_after + 0.1 * spread
        if now + wait > self._deadline:
            return None
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        self._doubtful = self._doubtful or answer.leaves_doubt
        return wait
