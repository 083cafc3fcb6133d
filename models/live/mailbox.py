"""A person's messages until they are acknowledged, in an order that every server sees alike.

Ids come from Redis, so they grow whichever process writes; what was lost with Redis is restored
from the open offers in Postgres at the next connect. Raises ``redis.RedisError`` throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from models import live, settings
from models.messages import Message, iso

# How many messages a mailbox keeps: a driver's more than a driver can have open offers. A client that has
# missed more, or was away for more than an hour, gets the present state with `connected`.
KEPT = {"driver": 2000, "customer": 200}
SECONDS = 3600
# Messages in one call, which holds Redis for a millisecond or two.
TOGETHER = 100


def again_seconds() -> int:
    """How long (s) the same message may be put again and keeps its id: a new socket puts the open offers, and
    the outbox's sweep what a process that died has left.
    """
    return 2 * settings.load().order_ttl_seconds + 60


# Above this a JavaScript client could not tell two ids apart.
LARGEST_ID = 2**53 - 1


# Not frozen, like `Live`: two are made for each message, and a frozen one takes three times as long.
@dataclass(slots=True)
class Frame:
    """One message as it goes over the wire, and the key it was put under."""

    id: int
    text: str
    type: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new socket starts with: the id for `connected`, then what is unacknowledged.

    ``holder`` numbers the openings of one mailbox: the largest one is the socket that counts.
    ``kept`` is the id of the last message that was kept, 0 if there was none.
    """

    connected_id: int
    holder: int
    kept: int
    pending: list[Frame]


@dataclass(frozen=True, slots=True)
class Look:
    """What a socket finds when it polls; ``holder`` is 0 if Redis has lost the state."""

    holder: int
    frames: list[Frame]


@dataclass(slots=True)
class Live:
    """A frame as published; ``previous`` is the id of the last kept message before it."""

    frame: Frame
    previous: int
    kept: bool


@dataclass(frozen=True, slots=True)
class Replaced:
    """A newer socket of the same person has been opened."""

    holder: int


def channel(person: str) -> str:
    """The channel that wakes the socket of this person (``driver:{id}`` or ``customer:{id}``)."""
    return f"person:{person}"


def put(messages: Sequence[Message], at: datetime) -> int:
    """Keeps messages until they are acknowledged and wakes the sockets; how many were new.

    Many are put in several calls. A message whose key or whose ``unless`` the mailbox has is skipped.
    ``data`` must be plain JSON.
    """
    return _send("keep", messages, at)


def putting(messages: Sequence[Message], at: datetime) -> live.Call:
    """The call of `put` for at most ``TOGETHER`` messages, to be added to a pipeline."""
    return _call("keep", messages, at)


def pass_on(messages: Sequence[Message], at: datetime) -> int:
    """Sends messages to sockets that are open now and keeps none (positions); how many were new."""
    return _send("pass", messages, at)


def open(person: str, last_event_id: int | None = None) -> Opening:
    """Opens the mailbox for a new socket and announces that it replaces any older one.

    ``last_event_id`` acknowledges everything up to it, at most what was ever given.
    """
    seen = "" if last_event_id is None else last_event_id
    connected_id, holder, kept, entries = live.call(
        "mailbox_open", _keys(person), [seen, channel(person), SECONDS]
    )
    pending = [_frame(entry_id, _pairs(fields)) for entry_id, fields in entries]
    return Opening(connected_id, holder, kept, pending)


def since(person: str, after_id: int) -> Look:
    """What was kept after this id, for a socket that may have missed a wake-up."""
    return since_all([(person, after_id)])[0]


def since_all(places: Sequence[tuple[str, int]]) -> list[Look]:
    """`since` for each person and id, in one round trip."""
    keys = [key for person, _ in places for key in _keys(person)]
    found = live.call("mailbox_since", keys, [SECONDS, *(after + 1 for _, after in places)])
    return [Look(holder, [_frame(at, _pairs(fields)) for at, fields in entries]) for holder, entries in found]


def acknowledge(person: str, up_to_id: int) -> int:
    """Removes everything up to this id, at most what was ever given; how many were removed."""
    return int(live.call("mailbox_acknowledge", _keys(person), [up_to_id, SECONDS]))


def end(person: str, fact: str) -> None:
    """Removes the message that this fact makes pointless, its ``unless``; it is not put again."""
    mailbox, state = _keys(person)
    entry = live.commands().hget(state, f"o:{fact}")
    if entry is not None:
        live.commands().xdel(mailbox, f"{entry}-0")


def published(payload: str) -> list[Live | Replaced]:
    """Reads what was published on a person's channel, a line for each message."""
    return [_line(line) for line in payload.split("\n")]


def _line(published: str) -> Live | Replaced:
    mode, _, rest = published.partition(" ")
    if mode == "replaced":
        return Replaced(int(rest))
    previous, frame_id, body = rest.split(" ", 2)
    return Live(Frame(int(frame_id), text(int(frame_id), body)), int(previous), mode == "keep")


def body(kind: str, data: dict[str, Any], at: str) -> str:
    """The JSON object of a message, without the id that only its mailbox can give."""
    content = {"type": kind, "at": at, "data": data}
    return orjson.dumps(content, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def text(frame_id: int, content: str) -> str:
    """The JSON object of a message with its id spliced in."""
    return f'{{"id":{frame_id},{content[1:]}'


def _send(mode: str, messages: Sequence[Message], at: datetime) -> int:
    pieces = [messages[first : first + TOGETHER] for first in range(0, len(messages), TOGETHER)]
    return sum(int(live.run_all([_call(mode, piece, at)])[0]) for piece in pieces)


def _call(mode: str, messages: Sequence[Message], at: datetime) -> live.Call:
    boxes: dict[str, list[Message]] = {}
    for message in messages:
        boxes.setdefault(message.to, []).append(message)
    keys: list[str] = []
    args: list[str | int] = [SECONDS, again_seconds()]
    moment = iso(at)
    for person, theirs in boxes.items():
        keys += _keys(person)
        args += [channel(person), KEPT[person.partition(":")[0]], len(theirs)]
        for message in theirs:
            content = body(message.type, message.data, moment)
            args += [mode, message.type, content, message.key, message.unless]
    return live.Call(live.script("mailbox_put"), keys, args)


def _keys(person: str) -> list[str]:
    return [f"mailbox:{person}", f"mailbox:{person}:state"]


def _pairs(fields: list[str]) -> dict[str, str]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _frame(entry_id: str, fields: dict[str, str]) -> Frame:
    frame_id = int(entry_id.partition("-")[0])
    return Frame(frame_id, text(frame_id, fields["body"]), fields["type"], fields["key"])
