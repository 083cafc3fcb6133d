"""Shows how far the replay is: a bar on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LINE_EVERY_S = 5.0


class Shown(Protocol):
    """Something that shows a share done (0 to 1) and a few words."""

    def __call__(self, share: float, words: str) -> None: ...


@contextmanager
def shown(console: Console, name: str) -> Iterator[Shown]:
    """Shows one phase of the work while the block runs."""
    if not console.is_terminal:
        yield _lines(console, name)
        return
    columns = (TextColumn("[bold]{task.description}"), BarColumn(12), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        task = progress.add_task(name, total=1.0, words="")

        def show(share: float, words: str) -> None:
            progress.update(task, completed=min(share, 1.0), words=words)

        yield show


def _lines(console: Console, name: str) -> Shown:
    due, before = 0.0, 0.0

    def show(share: float, words: str) -> None:
        nonlocal due, before
        now = time.monotonic()
        if now >= due or before < 1 <= share:
            due, before = now + LINE_EVERY_S, share
            line = f"{name} {min(share, 1.0):4.0%}  {words}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    return show
