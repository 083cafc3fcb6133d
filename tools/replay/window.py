"""Which part of the recording is replayed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from tools.replay.reading import InputProblem, moment

DAY_S = 24 * 3600.0
# FROM=17:00 with a first record at 17:00:03 means that day and not the next.
NEARLY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Span:
    """Recorded time from ``begins`` up to ``ends``, in seconds since 1970."""

    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        return self.ends - self.begins

    def __str__(self) -> str:
        return f"{stamp(self.begins)} to {stamp(self.ends)}"


def stamp(at: float) -> str:
    """A recorded moment for people, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def span_of(times: Iterable[float]) -> Span | None:
    """From the first to the last of these times (in any order), or None without any."""
    first, last = float("inf"), float("-inf")
    for at in times:
        first, last = min(first, at), max(last, at)
    return Span(first, last) if first <= last else None


def choose(trips: Span | None, pings: Span | None, start: str = "", end: str = "", why: str = "") -> Span:
    """The window to replay: where the files overlap, cut by ``start`` and ``end`` if given.

    Both are ISO 8601 times, with a date or without one; without an offset they are UTC. A time
    alone means the first day of the overlap on which it fits (``end``: the first after the start).
    Raises InputProblem when nothing is left; ``why`` says what is wrong with a file without a usable line.
    """
    common = _overlap(trips, pings, why)
    begins = _begin(start, common) if start else common.begins
    # The last trip is within the window, so an end that nobody asked for is just behind it.
    ends = _end(end, begins) if end else common.ends + 1
    # A time alone may mean the next day, if the recording has that time of the next day.
    if end and (ends <= begins or (_overnight(end, begins) and ends > common.ends + NEARLY_S)):
        raise InputProblem(f"TO={end} is before FROM={start or stamp(begins)}.")
    window = Span(max(begins, common.begins), min(ends, common.ends + 1))
    if window.seconds <= 0:
        raise InputProblem(
            f"Nothing to replay: {stamp(begins)} to {stamp(ends)} lies outside the time"
            f" that both files cover, {common}."
        )
    return window


def _overlap(trips: Span | None, pings: Span | None, why: str) -> Span:
    if not trips or not pings:
        raise InputProblem(f"Nothing to replay: no usable {'ping' if trips else 'trip'} in the file{why}.")
    common = Span(max(trips.begins, pings.begins), min(trips.ends, pings.ends))
    if common.seconds < 0:
        raise InputProblem(
            f"Nothing to replay: the trips ({trips}) and the pings ({pings}) do not overlap in time."
        )
    return common


def _begin(text: str, common: Span) -> float:
    with _sentence("FROM", text):
        if not _is_time_only(text):
            return moment(text)
        first = _on_day_of(common.begins, text)
        days = range(int(common.seconds // DAY_S) + 2)
        fitting = (first + day * DAY_S for day in days)
        return next((at for at in fitting if common.begins - NEARLY_S <= at <= common.ends), first)


def _end(text: str, begins: float) -> float:
    with _sentence("TO", text):
        if not _is_time_only(text):
            return moment(text)
        at = _on_day_of(begins, text)
        return at if at > begins else at + DAY_S


def _overnight(end: str, begins: float) -> bool:
    """Whether this time alone is earlier in the day than the beginning."""
    return _is_time_only(end) and _on_day_of(begins, end) <= begins


@contextmanager
def _sentence(option: str, text: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError):
        raise InputProblem(f"{option}={text} is not a time such as 17:00 or 2008-05-21T17:00.") from None


def _is_time_only(text: str) -> bool:
    return ":" in text[:3]


def _on_day_of(day: float, text: str) -> float:
    midnight = datetime.fromtimestamp(day, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if text in {"24:00", "24:00:00"}:
        return (midnight + timedelta(days=1)).timestamp()
    named = time.fromisoformat(text)
    return datetime.combine(midnight, named.replace(tzinfo=named.tzinfo or UTC)).timestamp()
