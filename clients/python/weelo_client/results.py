"""How a request can end, as values and as exceptions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from weelo_client.shapes import BroadcastSummary, Order, TruckRequest


@dataclass(frozen=True)
class Placed:
    """201: the order is committed, once, and drivers are being asked."""

    order: Order
    truck_requests: Sequence[TruckRequest]
    summary: BroadcastSummary
    timeout_seconds: int
    replayed: bool


@dataclass(frozen=True)
class Queued:
    """202: the order is committed and will be placed without any help; ask for it, or listen."""

    order: Order
    replayed: bool


@dataclass(frozen=True)
class Refused:
    """The system said no: HTTP status, the contract's code, and what it added."""

    status: int
    code: str
    message: str
    details: Sequence[dict[str, str]] = ()
    data: dict[str, Any] = field(default_factory=dict)
    retry_after: float | None = None

    @property
    def active_order_id(self) -> str | None:
        """The order that stands in the way, with ``ACTIVE_ORDER_EXISTS``."""
        return self.data.get("activeOrderId")


OrderResult = Placed | Queued | Refused


class WeeloError(Exception):
    """Anything that this client raises."""


class RequestRefused(WeeloError):
    """The system refused what was asked for; ``refusal`` says why."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(f"{refusal.code}: {refusal.message}")
        self.refusal = refusal

    @property
    def code(self) -> str:
        return self.refusal.code


class WrongRole(WeeloError):
    """The token is for another role: a driver's cannot be used by a ``Customer``."""

    def __init__(self, role: str, wanted: str) -> None:
        super().__init__(f"this token's role is {role!r}; {wanted!r} is needed")
        self.role, self.wanted = role, wanted


class NoAnswer(WeeloError):
    """No usable answer came within the time; whether it was done is not known."""


class Undecided(NoAnswer):
    """Nobody can say whether the order was made: ask again with the same ``key`` and the same order.

    ``refusal`` is what the system said last, if anything: after ``UNAUTHENTICATED`` get a new token first.
    """

    def __init__(self, key: str, refusal: Refused | None = None) -> None:
        super().__init__(f"no answer to the order with the key {key}")
        self.key, self.refusal = key, refusal


class SocketEnded(WeeloError):
    """The socket was closed for a reason that a reconnect would not change."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason = code, reason


class TokenExpired(SocketEnded):
    """4401, or a 401 in the handshake: get a new token."""


class Replaced(SocketEnded):
    """4409: the same person has connected elsewhere. Coming back would throw that one out."""


class SocketRefused(SocketEnded):
    """The upgrade was refused for good; ``code`` is the HTTP status."""
