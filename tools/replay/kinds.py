"""What a recorded file is, when it is not the CSV that the replay reads, and what to do about it."""

import csv
import re
from collections.abc import Sequence

CONVERT = "`make convert FROM={path}` makes the CSV files of it"
UNPACK = "unpack it and name the CSV file that is inside"
EXPORT = "save it as CSV in UTF-8, with commas"
MAKE_CSV = "write its records as CSV"

# First bytes, what they are of, what to do.
MAGIC = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", EXPORT),
    (b"BZh", "a bzip2 file", UNPACK),
    (b"\xfd7zXZ", "an xz file", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"PAR1", "a Parquet file", MAKE_CSV),
    (b"SQLite format 3", "an SQLite database", MAKE_CSV),
    (b"%PDF", "a PDF document", MAKE_CSV),
    (b"\xff\xfe", "text in UTF-16", CONVERT),
    (b"\xfe\xff", "text in UTF-16", CONVERT),
)
PORTO = {"trip_id", "polyline", "timestamp"}
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# Other people's names of our columns, as far as one of them can only mean that.
ALIASES = {
    "latitude": ("lat", "gps_lat", "y"),
    "longitude": ("lon", "lng", "long", "gps_lon", "x"),
    "at": ("time", "timestamp", "datetime", "date_time", "ts", "recorded_at"),
    "driver": ("driver_id", "driverid", "id", "taxi_id", "cab", "vehicle", "vehicle_id", "user_id"),
    "requested_at": ("request_time", "pickup_datetime", "tpep_pickup_datetime", "start_time", "created_at"),
    "pickup_latitude": ("pickup_lat", "start_lat", "from_lat", "origin_lat"),
    "pickup_longitude": ("pickup_lon", "pickup_lng", "start_lng", "start_lon", "from_lon", "origin_lon"),
    "drop_latitude": ("drop_lat", "dropoff_latitude", "dropoff_lat", "end_lat", "to_lat"),
    "drop_longitude": ("drop_lon", "drop_lng", "dropoff_longitude", "dropoff_lon", "end_lng", "end_lon"),
    "duration_s": ("duration", "trip_duration", "duration_seconds"),
}
T_DRIVE = re.compile(r"\d+,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,-?[\d.]+,-?[\d.]+")


def binary(head: bytes) -> tuple[str, str] | None:
    """What a file is that begins with these bytes, and what to do, if it is no table in UTF-8."""
    if not head:
        return "empty", "name the file with the recording"
    if head.startswith(b"PK"):
        office = any(part in head for part in (b"[Content_Types].xml", b"xl/", b"_rels/"))
        return ("an Excel workbook", EXPORT) if office else ("a zip archive", UNPACK)
    for magic, what, advice in MAGIC:
        if head.startswith(magic):
            return what, advice
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"<"):
        return _xml(start)
    if start[:1] in (b"{", b"["):
        return "JSON", MAKE_CSV
    # Latin letters in UTF-16 or UTF-32 without its mark have a zero in each second byte.
    if head[:200].count(0) > len(head[:200]) // 4:
        return "text in UTF-16" if head[:4].count(0) == 2 else "no text", CONVERT
    return None


def text(line: str) -> tuple[str, str] | None:
    """What a file is that begins with this line, and what to do, if it is no CSV of ours."""
    start = line.strip().lower()
    if not start:
        return "a file that begins with an empty line", "its first line must name the columns"
    if columns(line) >= PORTO:
        return "the taxi recording of Porto (ECML/PKDD 2015)", CONVERT
    if T_DRIVE.match(start):
        return "a recording of T-Drive", CONVERT
    return None


def _xml(start: bytes) -> tuple[str, str]:
    if b"<gpx" in start:
        return "a GPX trace", CONVERT
    if b"<html" in start or b"<!doctype html" in start:
        return "a web page", "the download was not the file"
    return ("a KML file" if b"<kml" in start else "XML"), "export it as GPX or CSV"


def columns(line: str, separator: str = ",") -> set[str]:
    """The names in a first line."""
    try:
        return {name.strip().lower() for name in next(csv.reader([line], delimiter=separator), [])}
    except csv.Error:
        return set()


def separator(line: str) -> str:
    """What stands between the names of a first line."""
    return max((",", *SEPARATORS), key=line.count)


def without(missing: Sequence[str], line: str) -> str:
    """Why these columns are missing, and what to do, as the end of a sentence."""
    other = separator(line)
    if other != ",":
        return f": its columns are separated by {SEPARATORS[other]}; {CONVERT}"
    found = columns(line)
    if any(re.fullmatch(r"-?[\d.]+", name) for name in found):
        return ": it begins with values; put a line with the names of the columns before them"
    named = {name: next((alias for alias in ALIASES[name] if alias in found), "") for name in missing}
    if hints := [f"{other} is {name}" for name, other in named.items() if other]:
        return f": it has {', '.join(sorted(found - {''}))}; perhaps {', '.join(hints)}; {CONVERT}"
    return "."
