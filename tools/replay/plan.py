"""What is to be replayed: read from the two files and cut to the window."""

from array import array
from dataclasses import dataclass
from pathlib import Path

from tools.replay import reading, window
from tools.replay.cabs import Cab, cabs
from tools.replay.reading import BadRows, InputProblem, Trip
from tools.replay.window import Span, span_of


@dataclass(frozen=True)
class Plan:
    """The trips of the window by their moments, the cabs of it, and the lines nobody could use.

    ``trips_in_file`` are the usable ones, in the window or not.
    """

    window: Span
    trips: list[Trip]
    cabs: list[Cab]
    bad: tuple[BadRows, BadRows]
    trips_in_file: int


def read(trips: Path, pings: Path, start: str = "", end: str = "") -> Plan:
    """Reads both files, twice: once for the time they cover, then for what lies in the window.

    So the memory needed is that of the window, however long the files are. Raises InputProblem.
    """
    bad = BadRows(trips.name), BadRows(pings.name)
    moments = array("d", (trip.requested_at for trip in reading.trips(trips, bad[0])))
    heard_in = span_of(ping.at for ping in reading.pings(pings, bad[1]))
    spoilt = bad[1] if moments else bad[0]
    why = "".join(f" ({spoilt.file}, line {line}: {reason})" for line, reason in spoilt.first[:1])
    chosen = window.choose(span_of(moments), heard_in, start, end, why)
    wanted = [t for t in reading.trips(trips, BadRows("")) if chosen.begins <= t.requested_at < chosen.ends]
    heard = cabs(reading.pings(pings, BadRows("")), chosen)
    for what, found in (("trip", wanted), ("ping", heard)):
        if not found:
            raise InputProblem(f"Nothing to replay: no {what} from {chosen}.")
    return Plan(chosen, sorted(wanted, key=lambda trip: trip.requested_at), heard, bad, len(moments))
