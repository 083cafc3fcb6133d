"""WebSocket frames (RFC 6455, section 5.2): those that we send, and the plain ones among those we get.

wsproto makes and reads the same; a frame of ours costs a tenth of it, and so does a plain one of a
client's. What is not plain is wsproto's.
"""

import struct
from collections.abc import Iterator

FIN = 0x80
MASKED = 0x80
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
# Longer payloads have their length in two bytes more, up to 65,535.
SHORT = 126
PLAIN = frozenset({FIN | TEXT, FIN | PING, FIN | PONG})


def text_frame(text: str) -> bytes:
    """A whole text message as one frame from the server: not masked, no extension."""
    data = text.encode()
    if len(data) < SHORT:
        return bytes((FIN | TEXT, len(data))) + data
    if len(data) < 65536:
        return struct.pack("!BBH", FIN | TEXT, 126, len(data)) + data
    return struct.pack("!BBQ", FIN | TEXT, 127, len(data)) + data


def control_frame(opcode: int, payload: bytes = b"") -> bytes:
    """A ping, pong or close from the server; ``payload`` has 125 bytes at most."""
    return bytes((FIN | opcode, len(payload))) + payload


def close_frame(code: int, reason: str) -> bytes:
    """``reason`` has 123 bytes at most."""
    return control_frame(CLOSE, struct.pack("!H", code) + reason.encode())


def plain_frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The whole, unfragmented texts, pings and pongs of a client that these bytes begin with: opcode,
    payload, and where the frame ends.
    """
    at = 0
    while len(data) - at >= 6 and data[at] in PLAIN:
        start, size = at + 2, data[at + 1] - MASKED
        if size == SHORT and data[at] == FIN | TEXT:
            start, size = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            if size < SHORT:
                return
        elif not 0 <= size < SHORT:
            return
        end = start + 4 + size
        if end > len(data):
            return
        yield data[at] ^ FIN, _unmasked(data[start : start + 4], data[start + 4 : end]), end
        at = end


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    size = len(payload)
    masks = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(masks, "big")).to_bytes(size, "big")
