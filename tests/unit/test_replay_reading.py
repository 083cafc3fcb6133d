"""Reading recorded files: every usable line counts, every other one is named, none is fatal."""

import gzip
from pathlib import Path

import pytest

from tools.replay import reading
from tools.replay.places import Place
from tools.replay.reading import BadRows, InputProblem, Ping, Trip

TRIPS = "requested_at,pickup_latitude,pickup_longitude,drop_latitude,drop_longitude,duration_s\n"
PINGS = "at,driver,latitude,longitude\n"
GOOD_TRIP = "1970-01-01T00:01:00Z,28.5,77.3,28.6,77.2,600\n"
A_MINUTE = 60.0


def trips_in(path: Path, content: bytes) -> tuple[list[Trip], BadRows]:
    path.write_bytes(content)
    bad = BadRows(path.name)
    return list(reading.trips(path, bad)), bad


def pings_in(path: Path, text: str) -> tuple[list[Ping], BadRows]:
    path.write_text(text)
    bad = BadRows(path.name)
    return list(reading.pings(path, bad)), bad


def test_a_trip_is_read_with_its_line_and_its_moment_in_utc(tmp_path: Path) -> None:
    found, bad = trips_in(tmp_path / "trips.csv", (TRIPS + GOOD_TRIP).encode())
    assert found == [Trip(2, A_MINUTE, Place(28.5, 77.3), Place(28.6, 77.2), 600.0)]
    assert bad.count == 0


def test_gzip_is_recognised_by_content_and_not_by_name(tmp_path: Path) -> None:
    packed, _ = trips_in(tmp_path / "trips.csv", gzip.compress((TRIPS + GOOD_TRIP).encode()))
    plain, _ = trips_in(tmp_path / "trips.csv.gz", (TRIPS + GOOD_TRIP).encode())
    assert packed == plain
    assert len(packed) == 1


def test_columns_are_found_by_name_in_any_order_beside_others_and_after_a_byte_order_mark(
    tmp_path: Path,
) -> None:
    text = "\ufeffLongitude, driver ,note,at,latitude\n77.3,cab,x,1970-01-01 00:01:00+00:00,28.5\n"
    found, bad = pings_in(tmp_path / "pings.csv", text)
    assert found == [Ping(A_MINUTE, "cab", Place(28.5, 77.3))]
    assert bad.count == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("yesterday,28.5,77.3,28.6,77.2,600", "requested_at 'yesterday' is not an ISO 8601 time"),
        ("1970-01-01T00:01:00Z,x,77.3,28.6,77.2,600", "pickup_latitude 'x' is not a number"),
        ("1970-01-01T00:01:00Z,,77.3,28.6,77.2,600", "pickup_latitude is empty"),
        ("1970-01-01T00:01:00Z,nan,77.3,28.6,77.2,600", "pickup_latitude nan is not a finite number"),
        ("1970-01-01T00:01:00Z,28.5,77.3,90.1,77.2,600", "drop_latitude 90.1 is not within -90 and 90"),
        ("1970-01-01T00:01:00Z,28.5,181,28.6,77.2,600", "pickup_longitude 181 is not within -180 and 180"),
        ("1970-01-01T00:01:00Z,28.5,77.3,28.6,77.2,-5", "duration_s is -5: the drop comes before the pickup"),
        ("1970-01-01T00:01:00Z,28.5,77.3,28.6,77.2,0", "duration_s 0 is not within 0 and 86400"),
        ("1970-01-01T00:01:00Z,28.5,77.3,28.6,77.2,1e9", "duration_s 1e9 is not within 0 and 86400"),
        (
            "1970-01-01T00:01:00Z,28.5,77.3,-28.5,-102,600",
            "pickup and drop are more than 5000 km apart by road",
        ),
        ("1970-01-01T00:01:00Z,28.5,77.3", "only 3 columns"),
        ("", "empty line"),
    ],
)
def test_an_unusable_line_is_named_and_the_others_are_read(tmp_path: Path, row: str, reason: str) -> None:
    content = TRIPS + GOOD_TRIP + row + "\n" + GOOD_TRIP
    found, bad = trips_in(tmp_path / "trips.csv", content.encode())
    assert [trip.line for trip in found] == [2, 4]
    assert (bad.count, bad.first) == (1, [(3, reason)])


def test_a_stray_quotation_mark_costs_one_line_and_not_the_rest_of_the_file(tmp_path: Path) -> None:
    broken = GOOD_TRIP.replace("1970", '"1970', 1)
    found, bad = trips_in(tmp_path / "trips.csv", (TRIPS + broken + GOOD_TRIP * 3).encode())
    assert len(found) == 3
    assert [line for line, _ in bad.first] == [2]


def test_bytes_that_are_no_text_cost_one_line(tmp_path: Path) -> None:
    content = TRIPS.encode() + b"\xff\xfe\x00,1,2,3,4,5\n" + GOOD_TRIP.encode()
    found, bad = trips_in(tmp_path / "trips.csv", content)
    assert (len(found), bad.count) == (1, 1)


def test_a_ping_without_a_driver_is_a_bad_line(tmp_path: Path) -> None:
    found, bad = pings_in(tmp_path / "pings.csv", PINGS + "1970-01-01T00:01:00Z, ,28.5,77.3\n")
    assert (found, bad.first) == ([], [(2, "driver is empty")])


def test_a_file_of_nothing_but_bad_lines_is_counted_and_does_not_fill_the_memory(tmp_path: Path) -> None:
    _, bad = pings_in(tmp_path / "pings.csv", PINGS + "x\n" * 5000)
    assert bad.count == 5000
    assert len(bad.first) == reading.NAMED_BAD_LINES


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"note\n", " has no columns at, driver, latitude, longitude in its first line."),
        (b"at,driver,latitude\n", " has no column longitude in its first line."),
        (gzip.compress(PINGS.encode() * 500, mtime=0)[:-20], " is a damaged gzip file "),
        (b"\x1f\x8b but not really", " is a damaged gzip file "),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "pings.csv"
    path.write_bytes(content)
    with pytest.raises(InputProblem) as problem:
        list(reading.pings(path, BadRows("")))
    assert str(problem.value).startswith(f"{path}{sentence}")


def test_a_missing_file_and_a_folder_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputProblem, match=r"^There is no file .*nothing\.csv\.$"):
        list(reading.trips(tmp_path / "nothing.csv", BadRows("")))
    with pytest.raises(InputProblem, match=r" cannot be read: Is a directory\.$"):
        list(reading.trips(tmp_path, BadRows("")))
