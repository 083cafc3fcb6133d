"""HTTP/1.1 over kept connections, as little of it as the replay needs.

A full-grown client was tried first (httpx): with hundreds of open connections it searches all of
them twice for every request, which made the replay slower than the system it measures. The
protocol itself is h11's.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

# gunicorn closes a connection that was quiet for 2 s; going first avoids sending into a closing one.
KEEP_IDLE_S = 1.5
CONNECT_S = 5.0
READ_BYTES = 65536


class NoAnswer(Exception):
    """The request may or may not have arrived; no answer has come. The text says what happened."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers by lower-case name, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.CLIENT)
        self._idle_since = 0.0

    @property
    def usable(self) -> bool:
        """Whether the next request can go over this one, as far as can be seen from here."""
        fresh = time.monotonic() - self._idle_since < KEEP_IDLE_S
        return fresh and self._protocol.our_state is h11.IDLE and not self._reader.at_eof()

    async def exchange(self, request: h11.Request, body: bytes) -> Response:
        """Sends a request and reads its answer."""
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            self._writer.write(self._protocol.send(event) or b"")
        response = await self._read()
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
        self._idle_since = time.monotonic()
        return response

    async def _read(self) -> Response:
        status, headers, parts = 0, {}, []
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                self._protocol.receive_data(await self._reader.read(READ_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return Response(status, headers, b"".join(parts))
            elif isinstance(event, h11.ConnectionClosed):
                raise NoAnswer("closed")

    def close(self) -> None:
        self._writer.close()


class Connections:
    """Connections to one server, as many as there are requests at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._authority = parts.netloc.rpartition("@")[2]
        self._idle: list[Connection] = []

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Response:
        """One request and its answer. Raises NoAnswer, also after ``timeout`` seconds."""
        fields = {"Host": self._authority, **headers, "Content-Length": str(len(body))}
        request = h11.Request(method=method, target=self._prefix + path, headers=list(fields.items()))
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(request, body)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            raise NoAnswer(type(error).__name__) from error

    async def _exchange(self, request: h11.Request, body: bytes) -> Response:
        connection = self._take_idle() or await self._connect()
        try:
            response = await connection.exchange(request, body)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return response

    def _take_idle(self) -> Connection | None:
        # The one used last is the likeliest to be open; once one is too old, those below it are too.
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        async with asyncio.timeout(CONNECT_S):
            return Connection(*await asyncio.open_connection(self._host, self._port, ssl=self._tls or None))

    def close(self) -> None:
        """Closes what is idle."""
        while self._idle:
            self._idle.pop().close()
