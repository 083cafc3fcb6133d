"""Frames as wrong as can be: each kind of mistake by its name."""

import json
import random
import struct
from collections.abc import Callable
from typing import Any

from tests.fuzz.messages import Messages

# Below the limit for a flood, or everything after it would be ignored.
FRAMES_A_CONNECTION = 95

ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, -0.0, 2**53, 2**64, "", " ", "\0", "\ud800", "x" * 5000,
    "' OR 1=1 --", "../../etc/passwd", "{{7*7}}", [], {}, [[]], {"$ne": 1}, [None] * 500,
    "driver:*", "2026-13-45T99:99:99Z", "2026-01-31T12:00:00.000Z", "heartbeat",
    "01890000-0000-7000-8000-000000000000",
]  # fmt: skip


def frame(payload: bytes, opcode: int = 1, mask: bool = True, first_bits: int = 0x80) -> bytes:
    """One frame of a client; ``first_bits`` are FIN and the reserved ones."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    else:
        length = struct.pack("!BH", 126, size) if size < 65536 else struct.pack("!BQ", 127, size)
    head = bytes([first_bits | opcode, length[0] | (0x80 if mask else 0)]) + length[1:]
    # A mask of zeros leaves the payload as it is.
    return head + (bytes(4) if mask else b"") + payload


def _json(draw: random.Random, message: Any) -> bytes:
    """The message in one of the spellings that JSON has for letters."""
    return json.dumps(message, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")


def right(draw: random.Random, messages: Messages) -> bytes:
    """A message that fits the document."""
    return frame(_json(draw, messages.right(draw)))


def nearly(draw: random.Random, messages: Messages) -> bytes:
    """A message that breaks one rule of the document."""
    return frame(_json(draw, messages.nearly(draw)))


def odd(draw: random.Random, messages: Messages) -> bytes:
    """A message with something odd in one place."""
    message = messages.right(draw)
    where = draw.choice([message, message.setdefault("data", {})])
    where[draw.choice([*where, "other"])] = draw.choice(ODD)
    return frame(_json(draw, message))


def torn(draw: random.Random, messages: Messages) -> bytes:
    """A message with some of its bytes changed; it may not be UTF-8 any more."""
    content = bytearray(_json(draw, messages.right(draw)))
    for _ in range(draw.randint(1, 4)):
        content[draw.randrange(len(content))] = draw.randrange(256)
    return frame(bytes(content[: draw.randint(1, len(content))]))


def control(draw: random.Random, _: Messages) -> bytes:
    """A ping or pong of a size that is allowed."""
    return frame(draw.randbytes(draw.randint(0, 125)), draw.choice([9, 10]))


def fragments(draw: random.Random, messages: Messages) -> bytes:
    """A message in pieces, some of them empty, with a ping between."""
    content = _json(draw, messages.right(draw))
    cut = draw.randrange(len(content))
    return b"".join(
        (
            frame(content[:cut], first_bits=0),
            frame(b"", 9),
            frame(b"", 0, first_bits=0),
            frame(content[cut:], 0),
        )
    )


def broken(draw: random.Random) -> bytes:
    """A frame that breaks the protocol: the last that is read of its connection."""
    content = draw.randbytes(draw.randint(0, 200))
    return draw.choice(
        [
            frame(content, draw.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])),
            frame(content, first_bits=draw.choice([0xC0, 0xA0, 0x90, 0xF0])),
            frame(content, mask=False),
            frame(content, 2),
            frame(content, 0),
            frame(b"x" * draw.randint(126, 300), draw.choice([8, 9, 10])),
            frame(struct.pack("!H", draw.choice([0, 999, 1004, 1005, 1006, 2999, 5000])), 8),
            frame(b"\x03", 8),
            frame(b" " * draw.choice([65_537, 100_000])),
            b"\x81\xff" + b"\xff" * 8,
            b"\x81\xfe\x00",
            draw.randbytes(draw.randint(1, 400)),
        ]
    )


KINDS: tuple[Callable[[random.Random, Messages], bytes], ...] = (right, nearly, odd, torn, control, fragments)
# Bad UTF-8 or JSON ends a connection, so there are few of those.
WEIGHTS = (25, 30, 20, 1, 15, 9)


def conversation(draw: random.Random, messages: Messages) -> tuple[list[str], list[bytes]]:
    """The frames of one connection with the names of their kinds; the last one breaks the protocol."""
    kinds = draw.choices(KINDS, WEIGHTS, k=draw.randint(1, FRAMES_A_CONNECTION // 2))
    names = [*(kind.__name__ for kind in kinds), broken.__name__]
    return names, [*(kind(draw, messages) for kind in kinds), broken(draw)]
