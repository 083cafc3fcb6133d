"""Everything the apps were sent, kept as it arrived: the only evidence against the database."""

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.http import Answer

# As many are kept word for word; the rest is counted.
EXAMPLES = 20

ACCEPTED = (201, 202)
# What the contract lets an app hear when it posts a well-formed order.
EXPECTED = {
    (409, "CONCURRENT_REQUEST"),
    (409, "ACTIVE_ORDER_EXISTS"),
    (429, "RATE_LIMIT_EXCEEDED"),
    (503, "SERVICE_UNAVAILABLE"),
}


@dataclass
class Wish:
    """One order that somebody wants: a key, a payload that carries the wish's name, every answer."""

    customer: str
    name: str
    key: str | None
    body: dict[str, Any]
    status: int = 0
    digest: bytes = b""
    order_id: str = ""
    # Some try of it may have been accepted without our knowing.
    unclear: bool = False
    cancelled: bool = False
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def accepted(self) -> bool:
        return self.status in ACCEPTED


@dataclass(frozen=True)
class Heard:
    """One frame on one of a person's sockets."""

    at: float
    connection: int
    id: int
    type: str
    subject: str


@dataclass
class Ledger:
    """Everything the apps were sent. Times are seconds of the monotonic clock."""

    wishes: dict[str, Wish] = field(default_factory=dict)
    new_201s: list[float] = field(default_factory=list)
    accepted: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    # (driver, order) that was answered "accepted".
    wins: set[tuple[str, str]] = field(default_factory=set)
    frames: dict[str, list[Heard]] = field(default_factory=dict)
    # When each person was connected: [from, until] for each socket.
    connected: dict[str, list[list[float]]] = field(default_factory=dict)

    def problem(self, kind: str, text: str) -> None:
        """Notes a broken promise."""
        self.problems[kind] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{kind}: {text}")

    def wish(self, customer: str, name: str, key: str | None, body: dict[str, Any]) -> Wish:
        self.wishes[name] = Wish(customer, name, key, body)
        return self.wishes[name]

    def cut(self, wish: Wish) -> None:
        """No answer came."""
        wish.unclear = True
        wish.answers["cut"] += 1

    def told(self, wish: Wish, answer: Answer, retry: bool = False) -> None:
        """Takes one answer to a ``POST /orders`` and compares it with the earlier ones of its key.

        ``retry``: the key had been answered 201 or 202 before this request was sent.
        """
        wish.answers[f"{answer.status} {answer.code}".strip()] += 1
        self.statuses[answer.status] += 1
        if answer.status in ACCEPTED:
            self._accepted(wish, answer)
            return
        self.codes[answer.code] += 1
        if (answer.status, answer.code) not in EXPECTED:
            self.problem("answer outside the contract", f"{wish.name}: {answer.status} {answer.body[:200]!r}")
            wish.unclear = True
        if answer.code == "CONCURRENT_REQUEST":
            # The contract's words for a key that is in flight, too.
            wish.unclear = True
        if retry and answer.status == 409:
            self.problem("a retry got an error", f"{wish.name}: {answer.status} {answer.code}")
        if answer.status in (429, 503) and "retry-after" not in answer.headers:
            self.problem("no Retry-After", f"{wish.name}: {answer.status}")

    def _accepted(self, wish: Wish, answer: Answer) -> None:
        digest = hashlib.blake2b(answer.body, digest_size=16).digest()
        order_id = str(answer.data.get("order", {}).get("id", ""))
        replayed = answer.headers.get("idempotent-replayed") == "true"
        if not wish.accepted:
            wish.status, wish.digest, wish.order_id = answer.status, digest, order_id
            self.accepted += 1
            if answer.status == 201 and not replayed:
                self.new_201s.append(time.monotonic())
        elif (answer.status, digest) != (wish.status, wish.digest):
            what = f"{wish.status} {wish.order_id}, then {answer.status} {order_id}"
            self.problem("another answer to the same key", f"{wish.name}: {what} {dict(wish.answers)}")

    def hear(self, person: str, heard: Heard) -> None:
        self.frames.setdefault(person, []).append(heard)
