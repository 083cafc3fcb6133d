"""What phones report and people type into them, field by field."""

import time
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.live.driver_index import vehicle_key
from models.messages import iso
from tests import scenes
from web.http.errors import Invalid
from web.http.parsing import validated
from web.schemas.batches import read_batch
from web.schemas.bodies import NewOrder, Place, Registration, ReportedPosition
from web.schemas.fields import phone_number

HERE = {"latitude": 28.54, "longitude": 77.39}
PEOPLE = {
    "name": "Ravi",
    "phone": "+911234567890",
    "vehicleType": "TRUCK",
    "vehicleSubtype": "TATA_ACE",
    "vehicleNumber": "DL 1 AB 1234",
}


def reported(**changes: Any) -> ReportedPosition:
    return validated(ReportedPosition, HERE | changes)


def fault(model: Any, data: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(Invalid) as raised:
        validated(model, data)
    return raised.value.details[0]


@pytest.mark.parametrize("unknown", [-1, -1.0, -0.01, -999, None])
def test_speed_and_heading_below_0_are_unknown(unknown: Any) -> None:
    position = reported(speed=unknown, heading=unknown)
    assert (position.speed, position.heading) == (None, None)


@pytest.mark.parametrize("known", [0, 8.5, 360])
def test_speed_and_heading_that_are_known_stay(known: float) -> None:
    assert reported(speed=known, heading=known).heading == known


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf"), "12", True, 501])
def test_speed_and_heading_that_are_no_numbers_or_too_large_are_refused(wrong: Any) -> None:
    assert fault(ReportedPosition, HERE | {"speed": wrong})[0] == "speed"
    assert fault(ReportedPosition, HERE | {"heading": wrong})[0] == "heading"


def test_what_else_a_phone_knows_of_a_position_is_ignored() -> None:
    more = {"accuracy": 5, "altitude": -1, "bearing": None, "isMock": False, "battery": {"level": 0.5}}
    assert reported(**more) == reported()


@pytest.mark.parametrize("model", [ReportedPosition, Place])
@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
def test_0_0_is_no_place(model: Any, zero: float) -> None:
    wrong = {"latitude": zero, "longitude": zero}
    assert "both 0" in fault(model, wrong | ({"address": "x"} if model is Place else {}))[1]
    assert reported(latitude=zero, longitude=77.39)
    assert reported(latitude=28.54, longitude=zero)


def test_0_0_in_an_order_is_named_by_its_place() -> None:
    wrong = {"latitude": 0, "longitude": 0, "address": "x"}
    assert fault(NewOrder, scenes.body(drop=wrong))[0] == "drop"


@pytest.mark.parametrize(
    ("latitude", "said"),
    [
        (100.5, "swapped?"),
        (-139.7, "swapped?"),
        (90.0001, "swapped?"),
        (181, "from -90 to 90"),
        (1e9, "from"),
    ],
)
def test_a_latitude_that_may_be_a_longitude_is_refused_with_a_hint(latitude: float, said: str) -> None:
    field, message = fault(ReportedPosition, {"latitude": latitude, "longitude": 35.7})
    assert field == "latitude"
    assert message.startswith("must be from -90 to 90")
    assert message.endswith("swapped?") == (said == "swapped?")


def test_a_clock_that_is_ahead_is_never_later_than_ours() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    now_ms = round(now.timestamp() * 1000)
    ahead = reported(at=iso(now + timedelta(seconds=50)))
    assert ahead.position(now_ms).at_ms == now_ms
    assert reported(at=iso(now - timedelta(hours=3))).position(now_ms).at_ms == now_ms - 3 * 3600 * 1000
    assert reported().position(now_ms).at_ms == reported(at=None).position(now_ms).at_ms == now_ms


NAMES = {
    "Hindi": "ट्रक",
    "Bengali": "ট্রাক",
    "Hindi without marks": "कमल",
    "Tamil": "சரக்கு லாரி",
    "Telugu": "ట్రక్",
    "Gujarati": "ટ્રક",
    "Punjabi": "ਟਰੱਕ",
    "Malayalam": "ട്രക്ക്",
    "Thai": "รถบรรทุก",
    "Arabic with vowels": "شَاحِنَة",
    "Sinhala with a joiner": "ශ්\u200dරී",
    "Persian with a non-joiner": "می\u200cرود",
    "Vietnamese": "xe tải",
    "nukta that composes to two": "ज़",
}


@pytest.mark.parametrize("language", NAMES)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_vehicles_have_names_in_every_script_with_their_marks(language: str, form: Any) -> None:
    name = unicodedata.normalize(form, NAMES[language])
    wanted = validated(Registration, PEOPLE | {"vehicleType": name, "vehicleSubtype": name})
    assert wanted.vehicleType == unicodedata.normalize("NFC", name)
    order = scenes.body(vehicle=(name, name))
    assert (
        NewOrder.model_validate(order).payload()["vehicleRequirements"][0]["vehicleType"]
        == wanted.vehicleType
    )
    assert vehicle_key(name, name) == vehicle_key(wanted.vehicleType, NAMES[language])


def test_a_name_has_64_characters_after_composing() -> None:
    long = "e\u0301" * 64
    assert validated(Registration, PEOPLE | {"vehicleType": long}).vehicleType == "é" * 64
    assert fault(Registration, PEOPLE | {"vehicleType": long + "e"})[0] == "vehicleType"


@pytest.mark.parametrize(
    "wrong",
    ["", " ", "\u0301", "\u0301x", "a:b", "a\u200bb", "a \u0301", "🚚", "\u200d", "a/b", "a\nb", "\u202ea"],
)
def test_marks_without_a_letter_and_signs_are_no_names(wrong: str) -> None:
    assert fault(Registration, PEOPLE | {"vehicleType": wrong})[0] == "vehicleType"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Caf\u00e9", "CAFE\u0301"),
        ("STRASSE", "straße"),
        ("TATA ACE", "tata\u00a0ace".replace("\u00a0", " ")),
        ("\u0958", "\u0915\u093c"),
        ("ශ්\u200dරී", "ශ්රී"),
        (" Truck ", "tRUCK"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("\u0130", "i\u0307"),
    ],
)
def test_vehicles_are_compared_composed_and_without_case(one: str, other: str) -> None:
    assert vehicle_key(one, "x") == vehicle_key(other, "x")
    assert vehicle_key(one, "x") != vehicle_key("other", "x")


def test_no_break_spaces_in_a_vehicle_are_spaces() -> None:
    assert validated(Registration, PEOPLE | {"vehicleType": "\u00a0TATA\u202fACE "}).vehicleType == "TATA ACE"


def test_a_text_of_nothing_that_shows_is_blank() -> None:
    for blank in ("\u200b", "\u200d\u200c", "\u202a\u202c", "\u2060", "\u00ad", " \u00a0"):
        assert fault(Registration, PEOPLE | {"name": blank}) == ("name", "must not be blank")
    assert validated(Registration, PEOPLE | {"name": "ක්\u200dෂ", "vehicleNumber": "दिल्ली १"})


def test_a_name_of_64_kb_of_marks_is_refused_at_once() -> None:
    marks = "e" + "\u0316\u0301" * 30_000
    began = time.process_time()
    assert fault(Registration, PEOPLE | {"vehicleType": marks})[0] == "vehicleType"
    assert fault(Registration, PEOPLE | {"phone": marks})[0] == "phone"
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+911234567890", "+911234567890"),
        ("+91 98765 43210", "+919876543210"),
        ("(+91) 98765-43210", "+919876543210"),
        ("+91\u00a098765\u202f43210", "+919876543210"),
        ("\u202a+91 98765 43210\u202c", "+919876543210"),
        ("+91\u201198765\u201343210", "+919876543210"),
        ("+91-(98765)-43210", "+919876543210"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("0044 (0) 20 7946 0958".replace("(0) ", "(0)"), "+442079460958"),
        ("0091 98765 43210", "+919876543210"),
        ("\uff0b91 98765 43210", "+919876543210"),
        ("+९१ ९८७६५ ४३२१०", "+919876543210"),
        ("09876 543210", "09876543210"),
        ("98765.43210", "9876543210"),
        ("022/2345678", "0222345678"),
        ("0000", "0000"),
    ],
)
def test_a_phone_number_is_kept_as_its_digits(typed: str, number: str) -> None:
    assert phone_number(typed) == number
    assert validated(Registration, PEOPLE | {"phone": typed}).phone == number


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        " ",
        "123",
        "+",
        "1" * 16,
        "98765 43210 ext. 4",
        "call me",
        "+91+98765",
        "98765+43210",
        "()",
        "\x00",
    ],
)
def test_what_cannot_be_dialled_is_no_phone_number(wrong: str) -> None:
    assert fault(Registration, PEOPLE | {"phone": wrong})[0] == "phone"


def test_a_batch_takes_its_right_rows_and_names_the_others() -> None:
    rows: list[Any] = [HERE] * 100
    rows[3] = HERE | {"at": "2999-01-01T00:00:00Z"}
    rows[7] = {"latitude": 77.39}
    rows[99] = "here"
    batch = read_batch({"locations": rows})
    assert len(batch.positions) == 97
    assert [(row["row"], row["field"]) for row in batch.refused] == [
        (3, "locations.3.at"),
        (7, "locations.7.longitude"),
        (99, "locations.99"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"locations": []},
        {"locations": [HERE] * 101},
        {"locations": HERE},
        {"locations": 7},
        {"locations": None},
        {"locations": [HERE], "more": 1},
        {"locations": [HERE, {"latitude": 91, "longitude": 1}], "more": 1},
        {"locations": [{"latitude": 91, "longitude": 1}]},
        {"locations": ["x", None, 7]},
    ],
)
def test_a_batch_without_a_right_row_or_with_a_wrong_body_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read_batch(body)


def test_at_most_50_refused_rows_are_named_and_the_others_counted() -> None:
    batch = read_batch({"locations": [HERE, *({"latitude": 91, "longitude": 1} for _ in range(60))]})
    told = batch.answer()
    assert (len(told["refused"]), told["moreRefused"]) == (50, 10)
    assert read_batch({"locations": [HERE]}).answer() == {"refused": []}
