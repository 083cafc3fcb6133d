"""How an answer leaves."""

from typing import Any

from gunicorn.http import wsgi  # type: ignore[import-untyped]


class _Packet:
    """Takes what is sent, to be sent together."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.parts.append(data)


class Response(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response, whose head leaves with the body: as two packets they wake a client twice."""

    sock: Any

    def write(self, arg: bytes) -> None:
        sock, packet = self.sock, _Packet()
        self.sock = packet
        try:
            super().write(arg)
        finally:
            self.sock = sock
        if packet.parts:
            sock.sendall(b"".join(packet.parts))
