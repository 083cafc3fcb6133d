"""A small typed client for Weelo. It knows the contract and nothing of the server's code."""

from weelo_client.aio import AsyncCustomer, AsyncDriver, AsyncEvents
from weelo_client.clock import ServerClock
from weelo_client.customer import Customer
from weelo_client.driver import Driver
from weelo_client.events import Events
from weelo_client.results import (
    NoAnswer,
    OrderResult,
    Placed,
    Queued,
    Refused,
    Replaced,
    RequestRefused,
    SocketEnded,
    SocketRefused,
    TokenExpired,
    Undecided,
    WeeloError,
)
from weelo_client.stream import Event

__all__ = [
    "AsyncCustomer",
    "AsyncDriver",
    "AsyncEvents",
    "Customer",
    "Driver",
    "Event",
    "Events",
    "NoAnswer",
    "OrderResult",
    "Placed",
    "Queued",
    "Refused",
    "Replaced",
    "RequestRefused",
    "ServerClock",
    "SocketEnded",
    "SocketRefused",
    "TokenExpired",
    "Undecided",
    "WeeloError",
]
