"""Other people's recordings, row by row: GPX, Porto (ECML/PKDD 2015), T-Drive, tables written otherwise."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

from tools.replay import kinds
from tools.replay.reading import (
    HEAD_BYTES,
    PING_COLUMNS,
    TRIP_COLUMNS,
    BadRow,
    BadRows,
    InputProblem,
    sentences,
    unpacked,
)

TRIPS, PINGS = "trips.csv", "pings.csv"
# Porto's taxis reported every 15 s.
PORTO_EVERY_S = 15
# A day of one of its trips is a field of 100 KB and more.
LONGEST_FIELD = 16_000_000

# The file it belongs into, and its fields.
Row: TypeAlias = tuple[str, Sequence[str]]


def rows(path: Path, zone: tzinfo, bad: BadRows) -> Iterator[Row]:
    """The rows of one recording; unusable ones go to ``bad``. Raises ``InputProblem``."""
    with sentences(path), path.open("rb") as raw:
        plain = unpacked(raw)
        head = plain.peek(HEAD_BYTES)[:HEAD_BYTES]
        kind = kinds.binary(head)
        if kind and kind[1] is not kinds.CONVERT:
            raise InputProblem(f"{path} is {kind[0]}: {kind[1]}.")
        if kind and kind[0] == "a GPX trace":
            yield from _gpx(path, plain, zone, bad)
            return
        text = io.TextIOWrapper(plain, encoding=_encoding(head), errors="replace", newline="")
        first = text.readline()
        yield from _table(path, first, text, zone, bad)


def _encoding(head: bytes) -> str:
    if head[:4].count(0) == 2 and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _gpx(path: Path, plain: io.BufferedReader, zone: tzinfo, bad: BadRows) -> Iterator[Row]:
    """Each point with a time of each track; the driver is the file's name and the number of the track."""
    track = 0
    try:
        # Expat bounds what entities may grow to (since 2.4.1), and the file is the caller's own.
        for event, element in ElementTree.iterparse(plain, ("start", "end")):  # noqa: S314
            name = element.tag.rpartition("}")[2]
            if (event, name) == ("start", "trk"):
                track += 1
            if event == "end" and name == "trkpt":
                try:
                    yield _gpx_point(f"{path.stem}-{track}", element, zone)
                except BadRow as reason:
                    bad.add(track, str(reason))
                element.clear()
    except ElementTree.ParseError as error:
        raise InputProblem(f"{path} is a damaged GPX trace ({error}).") from None


def _gpx_point(driver: str, point: ElementTree.Element, zone: tzinfo) -> Row:
    at = next((child.text for child in point if child.tag.rpartition("}")[2] == "time"), None)
    if not at:
        raise BadRow("a point has no time")
    return PINGS, (_time(at, zone), driver, point.get("lat", ""), point.get("lon", ""))


def _table(path: Path, first: str, rest: Iterable[str], zone: tzinfo, bad: BadRows) -> Iterator[Row]:
    if kinds.T_DRIVE.match(first):
        yield from _each(enumerate(chain([first], rest), start=1), ",", _t_drive, zone, bad)
        return
    separator = kinds.separator(first)
    read = _porto(first) if kinds.columns(first) >= kinds.PORTO else _named(path, first, separator)
    yield from _each(enumerate(rest, start=2), separator, read, zone, bad)


Read: TypeAlias = Callable[[Sequence[str], tzinfo], Iterable[Row]]


def _each(
    lines: Iterable[tuple[int, str]], separator: str, read: Read, zone: tzinfo, bad: BadRows
) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_FIELD)
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield from list(read(next(csv.reader([line], delimiter=separator)), zone))
        except (BadRow, ValueError, IndexError, OverflowError, csv.Error) as reason:
            bad.add(number, str(reason))


def _t_drive(row: Sequence[str], zone: tzinfo) -> Iterator[Row]:
    driver, at, longitude, latitude = row[:4]
    yield PINGS, (_time(at, zone), driver, latitude.strip(), longitude.strip())


def _porto(header: str) -> Read:
    names = [name.strip().lower() for name in next(csv.reader([header]))]
    at, taxi, line = names.index("timestamp"), names.index("taxi_id"), names.index("polyline")

    def read(row: Sequence[str], _: tzinfo) -> Iterator[Row]:
        points = json.loads(row[line])
        if len(points) < 2:
            raise BadRow("a trip of less than two points")
        begin = datetime.fromtimestamp(int(row[at]), UTC)
        (from_lon, from_lat), (to_lon, to_lat) = points[0], points[-1]
        seconds = PORTO_EVERY_S * (len(points) - 1)
        yield TRIPS, (_iso(begin), *map(str, (from_lat, from_lon, to_lat, to_lon, seconds)))
        for number, (longitude, latitude) in enumerate(points):
            moment = begin + timedelta(seconds=PORTO_EVERY_S * number)
            yield PINGS, (_iso(moment), row[taxi], str(latitude), str(longitude))

    return read


def _named(path: Path, header: str, separator: str) -> Read:
    """A table with our columns under other names, or separated or written otherwise."""
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
    for file, columns in ((TRIPS, TRIP_COLUMNS), (PINGS, PING_COLUMNS)):
        places = [_place(column, names) for column in columns]
        if -1 not in places:
            return _columns(file, columns, places)
    raise InputProblem(
        f"{path} is no recording that is known here: a GPX trace, Porto's taxis, T-Drive, or a table with"
        f" {', '.join(PING_COLUMNS)} or {', '.join(TRIP_COLUMNS)}. It begins with {header.strip()!r:.200}."
    )


def _place(column: str, names: Sequence[str]) -> int:
    known = (column, *kinds.ALIASES[column])
    return next((names.index(name) for name in known if name in names), -1)


def _columns(file: str, columns: Sequence[str], places: Sequence[int]) -> Read:
    def read(row: Sequence[str], zone: tzinfo) -> Iterator[Row]:
        if len(row) <= max(places):
            raise BadRow(f"only {len(row)} columns")
        given = dict(zip(columns, (row[place].strip() for place in places), strict=True))
        yield file, [_field(name, text, zone) for name, text in given.items()]

    return read


def _field(name: str, text: str, zone: tzinfo) -> str:
    if name in ("at", "requested_at"):
        return _time(text, zone)
    if name == "driver":
        return text
    return text.replace(",", ".") if re.fullmatch(r"-?\d+,\d+", text) else text


def _time(text: str, zone: tzinfo) -> str:
    """ISO 8601 in UTC of a time in ISO 8601, or of seconds or milliseconds since 1970."""
    text = text.strip()
    if re.fullmatch(r"\d{9,10}(\.\d+)?|\d{12,13}", text):
        seconds = float(text) if len(text.partition(".")[0]) <= 10 else int(text) / 1000
        return _iso(datetime.fromtimestamp(seconds, UTC))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(f"{text!r:.60} is not an ISO 8601 time, nor seconds since 1970") from None
    return _iso(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
