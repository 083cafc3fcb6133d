"""HTTP as an app on a bad line sees it: a whole answer, or none and nobody knows why.

Written out over a plain connection, since a thousand requests a second have to leave the machine's
two cores to the system under test.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

# Longer than the 8 s after which gunicorn gives up a process that does not answer.
ANSWER_SECONDS = 12.0
# gunicorn closes idle connections after 3 s; one that is as old as this is not used again.
REUSE_SECONDS = 1.5


class Cut(Exception):
    """No whole answer came: the request may have been done or not."""


class Refused(Cut):
    """There was no connection, so the request was surely not done."""


@dataclass(frozen=True)
class Answer:
    """One whole answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def data(self) -> dict[str, Any]:
        data = self.json.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def code(self) -> str:
        return str((self.json.get("error") or {}).get("code", ""))


class Client:
    """One person's connection, to one server at a time."""

    def __init__(self, token: str) -> None:
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        self._port = 0
        self._used_at = 0.0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request, sent once. Raises ``Cut``."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await self._connect(port)
                writer.write(self._message(method, path, body, headers or {}))
                answer = await _read(reader)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.close()
            raise error if isinstance(error, Refused) else Cut(type(error).__name__) from error
        except BaseException:
            self.close()
            raise
        self._used_at = time.monotonic()
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    async def _connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        fresh = time.monotonic() - self._used_at < REUSE_SECONDS
        if self._streams is None or port != self._port or not fresh:
            self.close()
            try:
                self._streams = await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                raise Refused(str(error)) from error
            self._port = port
        return self._streams

    def _message(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if body is not None:
            lines += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        return f"{method} /api/v1{path} HTTP/1.1\r\n{self._head}{lines}\r\n".encode() + content


async def close_all(*clients: Client) -> None:
    """Closes their connections, which takes the loop a moment."""
    for client in clients:
        client.close()
    await asyncio.sleep(0.01)


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Answer(status, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
