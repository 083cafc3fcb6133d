"""A few thousand wrong frames against a web process; `make fuzz` sends a hundred thousand."""

from functools import partial
from urllib.parse import urlsplit

from tests.fuzz.run import Target, lines, run
from tests.system import Person, System, hear


def test_wrong_frames_do_no_harm_to_the_process_or_to_others(system: System, name: str) -> None:
    port, master = urlsplit(system.urls[0]).port or 0, system.processes["web1"].pid
    with Person(system.urls[0], "customer", name).socket() as other:
        hear(other, "connected")
        figures = run(Target(port, master, partial(system.log, "web1")), 1, 2_000, print)
        print("\n".join(lines(figures)))
        assert figures.problems == []
        assert {"1002", "1003", "1007", "1009"} <= set(figures.endings)
        other.send("{}")
        assert hear(other, "error")["data"]["code"] == "VALIDATION_ERROR"
