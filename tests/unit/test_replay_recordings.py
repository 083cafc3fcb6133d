"""Other people's files: the replay says what they are and what to do, and `make convert` does it."""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import pytest

from tools.replay import convert as command
from tools.replay import plan, reading
from tools.replay.convert import convert
from tools.replay.reading import PING_COLUMNS, TRIP_COLUMNS, BadRows, InputProblem

PINGS = ",".join(PING_COLUMNS) + "\n"
TRIPS = ",".join(TRIP_COLUMNS) + "\n"
GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="made up" xmlns="http://www.topografix.com/GPX/1/1">
 <trk><name>one</name><trkseg>
  <trkpt lat="28.5" lon="77.3"><ele>210</ele><time>2020-01-01T00:00:00Z</time></trkpt>
  <trkpt lat="28.6" lon="77.4"></trkpt>
  <trkpt lat="28.7" lon="77.5"><time>2020-01-01T00:01:00+05:30</time></trkpt>
 </trkseg></trk>
 <trk><trkseg><trkpt lat="28.8" lon="77.6"><time>2020-01-01T00:02:00.5Z</time></trkpt></trkseg></trk>
</gpx>
"""
PORTO = (
    '"TRIP_ID","CALL_TYPE","ORIGIN_CALL","ORIGIN_STAND","TAXI_ID","TIMESTAMP","DAY_TYPE","MISSING_DATA","POLYLINE"\n'
    '"1","C","","","20000589","1372636858","A","False","[[-8.61,41.14],[-8.62,41.15],[-8.63,41.16]]"\n'
    '"2","C","","","20000589","1372637000","A","True","[]"\n'
)
T_DRIVE = "1,2008-02-02 15:36:08,116.51172,39.92123\n1,2008-02-02 15:46:08,116.51135,39.93883\n"
NAMMAYATRI = (
    "driver_id,lat,lon,timestamp\nd1,12.97,77.59,2023-01-01 10:02:00\nd1,12.96,77.58,2023-01-01 10:01:00\n"
)


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


FILES: dict[str, tuple[bytes, str, str]] = {
    "GPX": (GPX.encode(), "is a GPX trace", "make convert FROM="),
    "GPX in gzip": (gzip.compress(GPX.encode()), "is a GPX trace", "make convert FROM="),
    "GPX after a byte order mark": (b"\xef\xbb\xbf" + GPX.encode(), "is a GPX trace", "make convert FROM="),
    "KML": (b"<?xml version='1.0'?>\n<kml>", "is a KML file", "export it as GPX"),
    "a web page": (b"\n<!DOCTYPE html><html>", "is a web page", "the download was not the file"),
    "zip": (zipped("pings.csv"), "is a zip archive", "unpack it"),
    "xlsx": (zipped("[Content_Types].xml"), "is an Excel workbook", "save it as CSV"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook", "save it as CSV"),
    "UTF-16": (PINGS.encode("utf-16"), "is text in UTF-16", "make convert FROM="),
    "UTF-16, big end first": (
        b"\xfe\xff" + PINGS.encode("utf-16-be"),
        "is text in UTF-16",
        "make convert FROM=",
    ),
    "UTF-16 without its mark": (PINGS.encode("utf-16-le"), "is text in UTF-16", "make convert FROM="),
    "JSON": (b'[{"lat": 1}]', "is JSON", "as CSV"),
    "GeoJSON": (b' {"type": "FeatureCollection"}', "is JSON", "as CSV"),
    "Parquet": (b"PAR1....", "is a Parquet file", "as CSV"),
    "bzip2": (b"BZh91AY", "is a bzip2 file", "unpack it"),
    "xz": (b"\xfd7zXZ\x00", "is an xz file", "unpack it"),
    "empty": (b"", "is empty", "name the file"),
    "empty in gzip": (gzip.compress(b""), "is empty", "name the file"),
    "an empty first line": (b"\n" + PINGS.encode(), "begins with an empty line", "name the columns"),
    "semicolons": (PINGS.replace(",", ";").encode(), "separated by semicolons", "make convert FROM="),
    "tabs": (PINGS.replace(",", "\t").encode(), "separated by tabs", "make convert FROM="),
    "Porto": (PORTO.encode(), "is the taxi recording of Porto", "make convert FROM="),
    "T-Drive": (T_DRIVE.encode(), "is a recording of T-Drive", "make convert FROM="),
    "other names": (NAMMAYATRI.encode(), "lat is latitude", "make convert FROM="),
    "no names": (b"1211389200,cab,28.5,77.3\n", "begins with values", "names of the columns"),
}


@pytest.mark.parametrize("case", FILES)
def test_the_error_says_what_the_file_is_and_what_to_do(tmp_path: Path, case: str) -> None:
    content, what, advice = FILES[case]
    path = tmp_path / "pings.csv"
    path.write_bytes(content)
    with pytest.raises(InputProblem) as raised:
        list(reading.pings(path, BadRows("")))
    said = str(raised.value)
    assert said.startswith(str(path))
    assert what in said
    assert advice in said
    assert (said.count("\n"), said[-1]) == (0, ".")
    if "make convert" in advice:
        assert f"FROM={path}" in said


def test_line_ends_of_windows_and_quoted_names_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "pings.csv"
    path.write_bytes(
        b'\xef\xbb\xbf"At","Driver","Latitude","Longitude"\r\n"2020-01-01 00:00:00","a","28.5","77.3"\r\n'
    )
    (ping,) = reading.pings(path, bad := BadRows(""))
    assert (ping.driver, ping.place.longitude, bad.count) == ("a", 77.3, 0)


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ("1211389200,a,28.5,77.3", "seconds since 1970? `make convert`"),
        ("1211389200000,a,28.5,77.3", "milliseconds since 1970? `make convert`"),
        ("1211010112000,a,28.5,77.3", "milliseconds since 1970? `make convert`"),
        ('2020-01-01T00:00:00Z,a,"28,5",77.3', "is not a number with a point"),
    ],
)
def test_a_file_without_a_usable_line_says_what_is_wrong_with_the_first(
    tmp_path: Path, row: str, hint: str
) -> None:
    (tmp_path / "pings.csv").write_text(PINGS + row + "\n")
    (tmp_path / "trips.csv").write_text(TRIPS + "2020-01-01T00:00:00Z,28.5,77.3,28.6,77.2,600\n")
    with pytest.raises(InputProblem, match="no usable ping in the file") as raised:
        plan.read(tmp_path / "trips.csv", tmp_path / "pings.csv")
    assert "line 2" in str(raised.value)
    assert hint in str(raised.value)


def converted(path: Path, content: bytes, zone: str = "UTC") -> dict[str, list[str]]:
    """The lines of what is written, without their header."""
    path.write_bytes(content)
    to = path.parent / "converted"
    convert(path, to, command._zone(zone))
    return {file.name: file.read_text().splitlines()[1:] for file in to.iterdir()}


def test_a_gpx_trace_becomes_pings_of_a_driver_for_each_track(tmp_path: Path) -> None:
    expected = [
        "2020-01-01T00:00:00Z,trace-1,28.5,77.3",
        "2019-12-31T18:31:00Z,trace-1,28.7,77.5",
        "2020-01-01T00:02:00.500000Z,trace-2,28.8,77.6",
    ]
    assert converted(tmp_path / "trace.gpx", GPX.encode()) == {"pings.csv": expected}
    assert converted(tmp_path / "trace.gpx", gzip.compress(GPX.encode())) == {"pings.csv": expected}
    assert len(list(reading.pings(tmp_path / "converted/pings.csv", BadRows("")))) == 3


def test_porto_becomes_trips_and_pings(tmp_path: Path) -> None:
    written = converted(tmp_path / "train.csv", PORTO.encode())
    assert written["trips.csv"] == ["2013-07-01T00:00:58Z,41.14,-8.61,41.16,-8.63,30"]
    assert written["pings.csv"] == [
        "2013-07-01T00:00:58Z,20000589,41.14,-8.61",
        "2013-07-01T00:01:13Z,20000589,41.15,-8.62",
        "2013-07-01T00:01:28Z,20000589,41.16,-8.63",
    ]
    found = plan.read(tmp_path / "converted/trips.csv", tmp_path / "converted/pings.csv")
    assert (len(found.trips), len(found.cabs)) == (1, 1)


def test_t_drive_becomes_pings_in_its_zone_one_file_or_a_folder(tmp_path: Path) -> None:
    expected = ["2008-02-02T07:36:08Z,1,39.92123,116.51172", "2008-02-02T07:46:08Z,1,39.93883,116.51135"]
    assert converted(tmp_path / "1.txt", T_DRIVE.encode(), "Asia/Shanghai") == {"pings.csv": expected}
    folder = tmp_path / "taxis"
    folder.mkdir()
    (folder / "1.txt").write_text(T_DRIVE)
    (folder / "2.txt").write_text(T_DRIVE.replace("1,2008", "2,2008"))
    counts, bad = convert(folder, tmp_path / "all", command._zone("+08:00"))
    assert (counts, bad) == ({"pings.csv": 4}, [])


TABLES = {
    "semicolons and decimal commas": b"at;driver;latitude;longitude\r\n1577836800;d1;28,5;77,3\r\n",
    "tabs": b"at\tdriver\tlatitude\tlongitude\n1577836800000\td1\t28.5\t77.3\n",
    "UTF-16": "at,driver,latitude,longitude\n2020-01-01 00:00:00,d1,28.5,77.3\n".encode("utf-16"),
    "UTF-16 without its mark": "at,driver,latitude,longitude\n1577836800.0,d1,28.5,77.3\n".encode(
        "utf-16-le"
    ),
    "other names": b'"Timestamp","Driver_ID","Lat","Lng","speed"\n2020-01-01T05:30:00+05:30,d1,28.5,77.3,0\n',
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_are_written_otherwise_become_ours(tmp_path: Path, case: str) -> None:
    written = converted(tmp_path / "table.csv", TABLES[case])
    assert written == {"pings.csv": ["2020-01-01T00:00:00Z,d1,28.5,77.3"]}


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["convert", *arguments])
    status = command.main()
    out = capsys.readouterr()
    return status, out.out + out.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"a,b,c\n1,2,3\n", "is no recording that is known here"),
        (zipped("x"), "is a zip archive: unpack it"),
        (b"<gpx><trk><trkpt lat=", "is a damaged GPX trace"),
        (b"<gpx></gpx>", "Nothing in"),
        (b"at,driver,latitude,longitude\nnoon,a,1,1\n", "Nothing in"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(
    content: bytes,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    status, text = said(monkeypatch, capsys, "--from", str(path), "--to", str(tmp_path / "to"))
    assert status == 2
    assert sentence in text
    assert text.count("\n") == 1
    assert not (tmp_path / "to").exists()


def test_the_command_says_what_it_wrote_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trace.gpx").write_text(GPX)
    to = str(tmp_path / "to")
    status, text = said(monkeypatch, capsys, "--from", str(tmp_path / "trace.gpx"), "--to", to)
    assert status == 0
    assert f"3 rows in {to}/pings.csv. A replay needs trips.csv beside it" in text
    assert "a point has no time" in text
    (tmp_path / "train.csv").write_text(PORTO)
    status, text = said(monkeypatch, capsys, "--from", str(tmp_path / "train.csv"), "--to", to)
    assert f"make replay TRIPS={to}/trips.csv PINGS={to}/pings.csv" in text
    assert said(monkeypatch, capsys, "--from", "nowhere", "--to", to) == (2, "There is no file nowhere.\n")
    wrong = said(monkeypatch, capsys, "--from", to, "--zone", "Moon/Base")
    assert wrong == (2, "ZONE=Moon/Base is no time zone such as Asia/Kolkata or +05:30.\n")
