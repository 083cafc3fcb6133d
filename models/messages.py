"""The messages that customers and drivers get on their sockets, and their addresses."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Role = Literal["customer", "driver", "ops"]


def driver(driver_id: str) -> str:
    """The address of a driver's mailbox."""
    return f"driver:{driver_id}"


def customer(customer_id: str) -> str:
    """The address of a customer's mailbox."""
    return f"customer:{customer_id}"


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, as every time on the wire."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Ten of them are made for each order; a frozen one takes three times as long to make.
@dataclass(slots=True)
class Message:
    """One message to one person.

    ``key`` names the fact: a mailbox takes the same key once, so a message that is delivered
    again after a crash keeps its id. ``unless`` names a fact that makes this one pointless
    (an offer that arrives after the end of its order).
    """

    to: str
    type: str
    data: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    unless: str = ""
