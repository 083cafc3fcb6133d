"""The recorded cabs: their tracks, when they are on duty, and where each of them is right now."""

import hashlib
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from tools.replay.places import Place, between, distance_km, towards
from tools.replay.reading import Ping
from tools.replay.window import Span

# A subject has 64 characters, of which the run's name takes 32.
PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,28}")
# A cab goes home this long (recorded) after its last ping. One that was heard this close to an edge
# of the window was plainly at work beyond it: it is there from the start, or until the very end.
GRACE_S = 600.0
# How fast a free driver goes back from a drop to their recorded position (recorded time).
RETURN_KMH = 40.0


class Track:
    """The positions of one cab in the window, packed: a day of them is 1,440 for each cab."""

    def __init__(self) -> None:
        self.times = array("d")
        self._latitudes = array("d")
        self._longitudes = array("d")

    def add(self, at: float, place: Place) -> None:
        """Adds a position, in any order of time."""
        if self.times and at < self.times[-1]:
            index = bisect_right(self.times, at)
            self.times.insert(index, at)
            self._latitudes.insert(index, place.latitude)
            self._longitudes.insert(index, place.longitude)
        else:
            self.times.append(at)
            self._latitudes.append(place.latitude)
            self._longitudes.append(place.longitude)

    def at(self, moment: float) -> Place:
        """The last recorded position (the first one before there is any)."""
        index = max(0, bisect_right(self.times, moment) - 1)
        return Place(self._latitudes[index], self._longitudes[index])


@dataclass(frozen=True, slots=True)
class Cab:
    """One recorded cab: its driver's id within the run, its track, and its shift in recorded time."""

    driver_id: str
    track: Track
    shift: Span


def driver_id(recorded: str) -> str:
    """1 to 32 of `A-Za-z0-9_-` for any recorded id, part of a subject; different ids stay different."""
    if PLAIN_ID.fullmatch(recorded):
        return f"cab-{recorded}"
    digest = hashlib.sha256(recorded.encode("utf-8", "surrogatepass")).hexdigest()
    return f"cabx-{digest[:27]}"


def cabs(pings: Iterable[Ping], window: Span) -> list[Cab]:
    """The cabs with a ping in the window or just before it, by the beginning of their shifts.

    A shift lasts from the first ping to ten minutes after the last one. It begins with the window
    if the first ping does so within ten minutes, and has no end if it would outlast the window.
    """
    tracks: dict[str, Track] = {}
    for ping in pings:
        if window.begins - GRACE_S <= ping.at <= window.ends:
            tracks.setdefault(ping.driver, Track()).add(ping.at, ping.place)
    found = [Cab(driver_id(name), track, _shift(track, window)) for name, track in tracks.items()]
    return sorted(found, key=lambda cab: cab.shift.begins)


def _shift(track: Track, window: Span) -> Span:
    begins, ends = track.times[0], track.times[-1] + GRACE_S
    return Span(
        begins if begins > window.begins + GRACE_S else window.begins,
        ends if ends < window.ends else float("inf"),
    )


@dataclass(frozen=True, slots=True)
class Leg:
    """A drive from one place to another, between two recorded moments."""

    start: Place
    end: Place
    begins: float
    ends: float

    def at(self, moment: float) -> Place:
        if moment >= self.ends:
            return self.end
        return between(self.start, self.end, max(0.0, moment - self.begins) / (self.ends - self.begins))


class Whereabouts:
    """Where a driver is: on the recorded track while free, on a leg during a trip.

    After a trip they do not jump: they drive back towards the recorded position, and
    follow it again once they have caught up.
    """

    def __init__(self, track: Track) -> None:
        self.track = track
        self._leg: Leg | None = None
        self._astray: tuple[Place, float] | None = None

    def at(self, moment: float) -> Place:
        """The position at a recorded moment, which is not before the last one asked for."""
        if self._leg:
            return self._leg.at(moment)
        recorded = self.track.at(moment)
        if not self._astray:
            return recorded
        place, since = self._astray
        place = towards(place, recorded, max(0.0, moment - since) * RETURN_KMH / 3600)
        self._astray = None if distance_km(place, recorded) == 0 else (place, moment)
        return place

    def drive(self, to: Place, begins: float, seconds: float) -> None:
        """Starts a leg from here, which takes ``seconds`` of recorded time."""
        self._leg = Leg(self.at(begins), to, begins, begins + seconds)

    def stop(self, moment: float) -> None:
        """Ends the trip here: from here the driver goes back to the recorded track."""
        self._astray = (self.at(moment), moment)
        self._leg = None
