"""Follows one order through the real processes, with a note of every file that runs for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import scenes
from tests.system import Person, System, hear, on_duty

# What runs without any order (timers, heartbeats) has run once by then.
SETTLES_S = 3.0
# On the way are the web processes and the workers of this line of the Procfile.
PROCESSES = ("web1", "web2", "orders")


class Followed(System):
    """The processes of the Procfile, two of them web servers, with notes of the files that run."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        super().__init__(environment, logs)
        self.flag = logs / "flag"

    def run(self, name: str, command: tuple[str, ...], **extra: str) -> None:
        followed = {
            "PYTHONPATH": str(Path(__file__).parent),
            "WAY_FLAG": str(self.flag),
            "WAY_NOTES": str(self.logs / f"files-{name}"),
        }
        super().run(name, command, **(followed if name in PROCESSES else {}), **extra)

    @contextmanager
    def noting(self) -> Iterator[None]:
        self.flag.touch()
        yield
        self.flag.unlink()

    def noted(self, name: str) -> set[str]:
        return {line for notes in self.logs.glob(f"files-{name}.*") for line in notes.read_text().split()}


def follow_one_order(environment: dict[str, str], logs: Path) -> dict[str, set[str]]:
    """The files that run from POST to the 201 and the first offer, by process."""
    system = Followed(environment, logs)
    try:
        system.start()
        driver = on_duty(system.urls[1], "ravi", 1)
        with driver.socket() as socket:
            asha = Person(system.urls[0], "customer", "asha")
            time.sleep(SETTLES_S)
            with system.noting():
                assert asha.order(scenes.body(), X_Idempotency_Key="first").status_code == 201
                hear(socket, "new_broadcast", 10)
        return {name: system.noted(name) for name in PROCESSES}
    finally:
        Person.forget_all()
        system.stop()
