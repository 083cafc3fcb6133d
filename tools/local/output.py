"""One terminal for many processes, in honcho's format: the time and the process' name before every line.

What is ordinary goes into a file for each process alone: an order has several such lines, and they would push
the addresses and tokens off the screen.
"""

import logging
import os
import sys
import threading
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from honcho.colour import get_colours  # type: ignore[import-untyped]
from honcho.printer import Message, Printer  # type: ignore[import-untyped]

OWN_NAME = "weelo"
# A line without an end must not fill the memory.
LINE_LIMIT = 64 * 1024
# For each process, and as much again for what was written before.
LOG_BYTES = 10_000_000
# How our own lines say that they are ordinary, in development and in production.
ORDINARY = (b"[info ", b'"level":"info"')


class Output:
    """Prints whole lines, one at a time, from any process."""

    def __init__(self, names: list[str], logs: Path) -> None:
        self._lock = threading.Lock()
        width = max(map(len, [OWN_NAME, *names]))
        self._printer = Printer(sys.stdout, width=width, colour="NO_COLOR" not in os.environ)
        self._colours = dict(zip(names, get_colours(), strict=False))
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs = logs
        self.broken = False

    def say(self, text: str) -> None:
        """Lines of the launcher's own."""
        self._print(OWN_NAME, text)

    def plain(self, text: str) -> None:
        """Lines to be copied from, so without a name before them."""
        self._print(None, text)

    def relay(self, name: str, stream: IO[bytes]) -> threading.Thread:
        """Passes on what a process writes until it closes its output; all of it goes into its file."""
        thread = threading.Thread(target=self._relay, args=(name, stream), daemon=True)
        thread.start()
        return thread

    def _relay(self, name: str, stream: IO[bytes]) -> None:
        file = RotatingFileHandler(
            self._logs / f"{name}.log", maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8"
        )
        try:
            with stream:
                while line := stream.readline(LINE_LIMIT):
                    text = line.decode(errors="replace").rstrip("\n")
                    file.handle(logging.makeLogRecord({"msg": text}))
                    if not any(sign in line for sign in ORDINARY):
                        self._print(name, line)
        finally:
            file.close()

    def _print(self, name: str | None, text: str | bytes) -> None:
        """The reader of our output may go away; the launcher then stops, in order."""
        line = Message("line", text, datetime.now(), name, self._colours.get(name or ""))
        with self._lock:
            try:
                self._printer.prefix = name is not None
                if not self.broken:
                    self._printer.write(line)
            except OSError:
                self.broken = True
