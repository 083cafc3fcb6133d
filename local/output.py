"""One terminal for many processes: every line carries the name of the process that wrote it."""

import os
import sys
import threading
from typing import IO

OWN_NAME = "weelo"
# Cyan, yellow, green, magenta, blue, then their bright siblings: readable on dark and on light.
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
# A line without an end must not fill the memory.
LINE_LIMIT = 64 * 1024


class Output:
    """Writes whole lines, one at a time, from any process."""

    def __init__(self, names: list[str]) -> None:
        self._lock = threading.Lock()
        self._width = max(map(len, [OWN_NAME, *names]))
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colours = dict(zip(names, COLOURS * len(names), strict=False)) if coloured else {}
        self.broken = False

    def say(self, text: str) -> None:
        """Lines of the launcher's own."""
        for line in text.splitlines():
            self._write(OWN_NAME, line)

    def plain(self, text: str) -> None:
        """Lines to be copied from, so without a name before them."""
        with self._lock:
            self._put(f"{text}\n")

    def relay(self, name: str, stream: IO[bytes]) -> threading.Thread:
        """Passes on what a process writes until it closes its output."""
        thread = threading.Thread(target=self._relay, args=(name, stream), daemon=True)
        thread.start()
        return thread

    def _relay(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(LINE_LIMIT):
                self._write(name, line.decode(errors="replace").rstrip())

    def _write(self, name: str, line: str) -> None:
        label = f"{name:{self._width}} |"
        colour = self._colours.get(name)
        with self._lock:
            self._put(f"\x1b[{colour}m{label}\x1b[0m {line}\n" if colour else f"{label} {line}\n")

    def _put(self, text: str) -> None:
        """The reader of our output may go away; the launcher then stops, in order."""
        if self.broken:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (BrokenPipeError, OSError):
            self.broken = True
