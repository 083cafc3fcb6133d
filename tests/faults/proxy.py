"""Stands between the door and Postgres and swallows what Postgres says, from a given moment on."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 65536


@dataclass
class Proxy:
    """Passes everything on until it is armed."""

    target: int
    # After the trigger: no new connections either.
    cut_off: bool = False
    lost: int = 0
    port: int = 0
    _armed: bytes = b""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def arm(self, statement: bytes, cut_off: bool = False) -> None:
        """Loses the answer to the commit of the next transaction that has this statement in it."""
        self._armed, self.cut_off = statement, cut_off

    def heal(self) -> None:
        """Passes everything on again."""
        self._armed, self.cut_off = b"", False

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep(asyncio.current_task())
        if self.cut_off and self.lost:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        answers = asyncio.create_task(_copy(up_reader, writer))
        self._keep(answers)
        try:
            # Cancelled at the end, which the library that started this task does not expect.
            with suppress(OSError, asyncio.CancelledError):
                await self._requests(reader, up_writer, answers)
        finally:
            answers.cancel()
            writer.transport.abort()
            up_writer.transport.abort()

    def _keep(self, task: "asyncio.Task[None] | None") -> None:
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _requests(
        self, reader: asyncio.StreamReader, up: asyncio.StreamWriter, answers: asyncio.Task[None]
    ) -> None:
        seen = block = False
        while data := await reader.read(CHUNK):
            block = (block or b"BEGIN" in data) and b"ROLLBACK" not in data
            seen = seen or (bool(self._armed) and self._armed in data)
            up.write(data)
            await up.drain()
            # Outside of a block every statement is its own transaction.
            if seen and self._armed and (b"COMMIT" in data or not block):
                self._armed, self.lost = b"", self.lost + 1
                answers.cancel()
                # The server has to have read it: it answers, and nobody listens.
                await asyncio.sleep(0.3)
                return
            block = block and b"COMMIT" not in data


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@contextmanager
def between(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of the Postgres of this URL, and the URL through it."""
    port = urlsplit(url).port or 5432
    proxy, ready = Proxy(port), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(proxy.serve(ready, stop)))
    thread.start()
    assert ready.wait(5)
    try:
        yield proxy, url.replace(f":{port}/", f":{proxy.port}/")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
