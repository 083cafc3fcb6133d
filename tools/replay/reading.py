"""Reads the recorded trips and pings, a line at a time, and keeps account of the lines it cannot use."""

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tools.replay import kinds
from tools.replay.places import Place, road_km

TRIP_COLUMNS = (
    "requested_at",
    "pickup_latitude",
    "pickup_longitude",
    "drop_latitude",
    "drop_longitude",
    "duration_s",
)
PING_COLUMNS = ("at", "driver", "latitude", "longitude")

# Enough to recognise what a file is.
HEAD_BYTES = 4096
GZIP_MAGIC = b"\x1f\x8b"
# What the system takes as `distanceKm`.
MAX_ROAD_KM = 5000.0
# A trip within a city that lasts longer is a slip of the recorder, and would hold its driver for good.
MAX_DURATION_S = 24 * 3600.0
# Enough to see what is wrong with a file; a file of nothing but bad lines must not fill the memory.
NAMED_BAD_LINES = 1000


Row = TypeVar("Row")


class InputProblem(Exception):
    """The input cannot be used at all; the text is one sentence for the person who gave it."""


class BadRow(ValueError):
    """One line that cannot be used; the text says why."""


@dataclass
class BadRows:
    """The unusable lines of one file: how many, and the first of them by line number and reason."""

    file: str
    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        if len(self.first) < NAMED_BAD_LINES:
            self.first.append((line, reason))


@dataclass(frozen=True, slots=True)
class Trip:
    """One recorded trip. ``requested_at`` is in seconds since 1970 (UTC), ``duration_s`` in seconds."""

    line: int
    requested_at: float
    pickup: Place
    drop: Place
    duration_s: float


@dataclass(frozen=True, slots=True)
class Ping:
    """One recorded position of one cab, ``at`` in seconds since 1970 (UTC)."""

    at: float
    driver: str
    place: Place


def trips(path: Path, bad: BadRows) -> Iterator[Trip]:
    """The usable trips of a file, in its order. Raises InputProblem; other lines go to ``bad``."""
    return _parsed(path, TRIP_COLUMNS, _trip, bad)


def pings(path: Path, bad: BadRows) -> Iterator[Ping]:
    """The usable pings of a file, in its order. Raises InputProblem; other lines go to ``bad``."""
    return _parsed(path, PING_COLUMNS, _ping, bad)


def moment(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; one without an offset is UTC. Raises ValueError."""
    if text.isdigit() and len(text) > len("20080521"):
        # Python reads some numbers of seconds as times of the year 1211.
        raise ValueError(text)
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _parsed(
    path: Path, columns: Sequence[str], parse: Callable[[int, Sequence[str]], Row], bad: BadRows
) -> Iterator[Row]:
    with sentences(path), path.open("rb") as raw:
        plain = unpacked(raw)
        _refuse(path, kinds.binary(plain.peek(HEAD_BYTES)[:HEAD_BYTES]))
        lines = enumerate(_text(plain), start=1)
        positions = _positions(path, columns, next(lines, (1, ""))[1])
        for number, line in lines:
            try:
                yield parse(number, _fields(line, positions))
            except BadRow as reason:
                bad.add(number, str(reason))


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """What goes wrong with a file as one sentence (``InputProblem``)."""
    try:
        yield
    except FileNotFoundError:
        raise InputProblem(f"There is no file {path}.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputProblem(f"{path} is a damaged gzip file ({error}).") from None
    except OSError as error:
        raise InputProblem(f"{path} cannot be read: {error.strerror or error}.") from None


def unpacked(raw: io.BufferedReader) -> io.BufferedReader:
    """The content of a file, whether it is in gzip or not."""
    packed = raw.peek(2)[:2] == GZIP_MAGIC
    return io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw


def _text(plain: io.BufferedReader) -> io.TextIOWrapper:
    return io.TextIOWrapper(plain, encoding="utf-8-sig", errors="replace", newline="")


def _refuse(path: Path, kind: tuple[str, str] | None) -> None:
    if kind:
        what, advice = kind
        raise InputProblem(f"{path} is {what}: {advice.format(path=path)}.")


def _positions(path: Path, columns: Sequence[str], header: str) -> list[int]:
    _refuse(path, kinds.text(header))
    try:
        names = [name.strip().lower() for name in next(csv.reader([header]), [])]
    except csv.Error:
        names = []
    missing = [name for name in columns if name not in names]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        why = kinds.without(missing, header).format(path=path)
        sentence = f"{path} has no column{plural} {', '.join(missing)} in its first line{why}"
        raise InputProblem(sentence.removesuffix(".") + ".")
    return [names.index(name) for name in columns]


def _fields(line: str, positions: Sequence[int]) -> list[str]:
    # Line by line, so that a stray quotation mark costs one line and not the rest of the file.
    try:
        row = next(csv.reader([line]), [])
    except csv.Error as error:
        raise BadRow(f"not CSV: {error}") from None
    if not row:
        raise BadRow("empty line")
    if len(row) <= max(positions):
        raise BadRow(f"only {len(row)} columns")
    return [row[position].strip() for position in positions]


def _trip(line: int, row: Sequence[str]) -> Trip:
    at = _moment("requested_at", row[0])
    pickup = _place("pickup_", row[1], row[2])
    drop = _place("drop_", row[3], row[4])
    duration = _number("duration_s", row[5])
    if duration < 0:
        raise BadRow(f"duration_s is {row[5]}: the drop comes before the pickup")
    if not 0 < duration <= MAX_DURATION_S:
        raise BadRow(f"duration_s {row[5]} is not within 0 and {MAX_DURATION_S:.0f}")
    if road_km(pickup, drop) > MAX_ROAD_KM:
        raise BadRow(f"pickup and drop are more than {MAX_ROAD_KM:.0f} km apart by road")
    return Trip(line, at, pickup, drop, duration)


def _ping(_line: int, row: Sequence[str]) -> Ping:
    if not row[1]:
        raise BadRow("driver is empty")
    return Ping(_moment("at", row[0]), row[1], _place("", row[2], row[3]))


def _moment(column: str, text: str) -> float:
    try:
        return moment(text)
    except (ValueError, OverflowError):
        raise BadRow(f"{column} {text!r:.60} is not an ISO 8601 time{_epoch(text)}") from None


def _epoch(text: str) -> str:
    """A hint for what is a number of seconds, or of milliseconds."""
    unit = {10: "seconds", 13: "milliseconds"}.get(len(text.partition(".")[0]))
    return (
        f": {unit} since 1970? `make convert` takes them" if unit and text.replace(".", "").isdigit() else ""
    )


def _place(prefix: str, latitude: str, longitude: str) -> Place:
    return Place(_degrees(f"{prefix}latitude", latitude, 90), _degrees(f"{prefix}longitude", longitude, 180))


def _degrees(column: str, text: str, limit: float) -> float:
    value = _number(column, text)
    if abs(value) > limit:
        raise BadRow(f"{column} {text:.60} is not within -{limit:.0f} and {limit:.0f}")
    return value


def _number(column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        comma = " with a point" if re.fullmatch(r"-?\d+,\d+", text) else ""
        raise BadRow(
            f"{column} {text!r:.60} is not a number{comma}" if text else f"{column} is empty"
        ) from None
    if not math.isfinite(value):
        raise BadRow(f"{column} {text:.60} is not a finite number")
    return value
