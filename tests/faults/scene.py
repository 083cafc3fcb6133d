"""Who orders what, and who drives what: shared by the load and by the scenarios."""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from tests.faults.ledger import Ledger
from tests.scenes import NOIDA, body
from web.identity.issuing import issue

LIFETIME = timedelta(hours=12)
TYPE = "TRUCK"
# Nobody drives these: orders that only the clock ends.
UNSERVED = "NOBODYS"


def token(role: str, sub: str) -> str:
    return issue(role, sub, LIFETIME)


def vehicle(kind: int) -> str:
    """The subtype of one group of drivers and its customers."""
    return f"KIND_{kind}"


def order_body(name: str, subtype: str, trucks: int = 1) -> dict[str, Any]:
    """A payload that carries the name of its wish as the address of the pickup."""
    pickup = {"latitude": NOIDA[0], "longitude": NOIDA[1], "address": name}
    return body(trucks, (TYPE, subtype), pickup=pickup)


@dataclass
class Pace:
    """So many new orders a second; what an outage held up is made up for, to a degree."""

    rate: float
    burst: float = 60
    _allowance: float = 0
    _at: float = field(default_factory=time.monotonic)

    def take(self) -> bool:
        """Whether one more may begin now."""
        now = time.monotonic()
        self._allowance = min(self.burst, self._allowance + (now - self._at) * self.rate)
        self._at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


@dataclass
class World:
    """What all actors share."""

    ports: list[int]
    ledger: Ledger
    random: Random
    pace: Pace
    # How many customers, of one, cancel an order that was accepted.
    cancels: float = 0.85
    # New orders stop first, then everything.
    ending: bool = False
    over: bool = False

    def port(self) -> int:
        return self.random.choice(self.ports)
