"""The AsyncAPI 3.1 document of the socket. ``send`` and ``receive`` are the server's."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from web.documents.examples import RECORDED
from web.documents.fields import MEANINGS
from web.documents.frames import (
    CLOSE_CODES,
    FROM_CUSTOMERS,
    FROM_DRIVERS,
    TO_CUSTOMERS,
    TO_DRIVERS,
    FrameType,
)
from web.documents.openapi import CONTACT, plain
from web.documents.responses import REFERENCE
from web.socket.handshake import PATH

_INTRODUCTION = """\
One plain WebSocket for each person; the role is the token's. The token comes in the `Authorization`
header, or from browsers as the subprotocols `bearer, <JWT>`.

`id` grows for each person and is never used twice. What was not acknowledged is sent again after a
reconnect, to whichever server it leads, for as long as it matters. Frames may come twice: go by `id`.
`?lastEventId=` leaves out what was seen. The codes of `error` are those of `/openapi.json`.

"""


def close_codes() -> str:
    """The table of close codes."""
    rows = [f"| {code} | {meaning} |" for code, meaning in CLOSE_CODES.items()]
    return "\n".join(["| close code | meaning |", "|---|---|", *rows])


def document(host: str, secure: bool) -> dict[str, Any]:
    """The whole document, for a server that is reached under this host."""
    server = {"host": host, "protocol": "wss" if secure else "ws"}
    this = server | {"security": [{"$ref": "#/components/securitySchemes/token"}]}
    return {"asyncapi": "3.1.0", "servers": {"this": this}} | of_every_host()


@lru_cache(maxsize=1)
def of_every_host() -> dict[str, Any]:
    """What does not depend on the host: it is cached, since the schemas take 12 ms to make."""
    roles = {"driver": (TO_DRIVERS, FROM_DRIVERS), "customer": (TO_CUSTOMERS, FROM_CUSTOMERS)}
    return {
        "info": {
            "title": "Weelo: the socket",
            "version": "1",
            "description": _INTRODUCTION + close_codes(),
            "contact": dict(CONTACT),
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": role} for role in roles],
        },
        "channels": {role: _channel(role, *frames) for role, frames in roles.items()},
        "operations": {
            name: _operation(role, action, frames)
            for role, (to, received) in roles.items()
            for name, action, frames in (
                (f"to_{role}", "send", to),
                (f"from_{role}", "receive", received),
            )
        },
        "components": {
            "messages": {
                f"{direction}_{role}.{frame.name}": _message(frame, direction, role)
                for role, (to, received) in roles.items()
                for direction, frames in (("to", to), ("from", received))
                for frame in frames
            },
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _channel(role: str, to: Sequence[FrameType], received: Sequence[FrameType]) -> dict[str, Any]:
    names = [f"to_{role}.{frame.name}" for frame in to] + [f"from_{role}.{frame.name}" for frame in received]
    last = {"type": "integer", "minimum": 0, "description": MEANINGS["lastEventId"]}
    query = {"type": "object", "properties": {"lastEventId": last}}
    return {
        "address": PATH,
        "summary": f"The socket of a {role}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "query": query}},
        "x-close-codes": {str(code): meaning for code, meaning in CLOSE_CODES.items()},
    }


def _operation(role: str, action: str, frames: Sequence[FrameType]) -> dict[str, Any]:
    direction = "to" if action == "send" else "from"
    return {
        "action": action,
        "description": f"What the server {action}s {'to' if action == 'send' else 'from'} a {role}.",
        "tags": [{"name": role}],
        "channel": {"$ref": f"#/channels/{role}"},
        "messages": [
            {"$ref": f"#/channels/{role}/messages/{direction}_{role}.{frame.name}"} for frame in frames
        ],
    }


def _message(frame: FrameType, direction: str, role: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": frame.name,
        "summary": frame.meaning,
        "payload": _payload(frame, direction),
    }
    if recorded := RECORDED.get(f"{direction}_{role}.{frame.name}"):
        shown["examples"] = [{"payload": recorded}]
    elif frame.example is not None:
        shown["examples"] = [{"payload": {"type": frame.name, "data": dict(frame.example)}}]
    return shown


def _payload(frame: FrameType, direction: str) -> dict[str, Any]:
    """Frames to people carry an id and a time; apps may leave both out."""
    return {
        "type": "object",
        "required": ["type", "id", "at", "data"] if direction == "to" else ["type"],
        "properties": {
            "type": {"const": frame.name, "description": "Which frame this is."},
            "id": {"type": "integer", "minimum": 0, "description": "Grows for each person."},
            "at": {"type": "string", "format": "date-time", "description": MEANINGS["at"]},
            "data": {
                "$ref": REFERENCE.format(model=frame.data.__name__),
                "description": MEANINGS["data"],
            },
        },
    }


def _schemas() -> dict[str, Any]:
    sent: set[tuple[type[BaseModel], JsonSchemaMode]] = {
        (frame.data, "serialization") for frame in (*TO_DRIVERS, *TO_CUSTOMERS)
    }
    received: set[tuple[type[BaseModel], JsonSchemaMode]] = {
        (frame.data, "validation") for frame in (*FROM_DRIVERS, *FROM_CUSTOMERS)
    }
    _, components = models_json_schema(sorted(sent | received, key=str), ref_template=REFERENCE)
    found: dict[str, Any] = plain(components["$defs"])
    return dict(sorted(found.items()))
