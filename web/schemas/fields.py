"""What one field may be, with the contract's limits, and what the published documents say of it."""

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema
from typing_extensions import TypeAliasType

from models import clock
from models.tables.orders import TRUCK_REQUEST_STATES
from web.http.parsing import UUID_SHAPE

# NUMERIC(12,2) holds the total of a hundred trucks at this price.
MAXIMUM_PRICE = Decimal("99999999.99")
# How far ahead of ours the clock of a phone may be.
FUTURE_SECONDS = 60
# Phones keep positions while they have no network; what is older is no news of anybody.
PAST_DAYS = 7
SURROGATE = re.compile("[\ud800-\udfff]")
# What shows on a page: Python and JavaScript call different characters white space, and neither these,
# nor what only joins, separates or turns its neighbours.
VISIBLE = r"[^\s\u0000-\u001f\u0085\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"

VEHICLE_NAME_LENGTH = 64
# E.164 numbers have at most 15 digits; short ones are a town's own.
PHONE_DIGITS = re.compile(r"\+?[0-9]{4,15}")
# Longer texts are not looked at: putting combining marks in order takes quadratic time.
LONGEST_RAW = 256
# Scripts of India write conjuncts with them; they are no letters of their own.
JOINERS = "\u200c\u200d"


def _printable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain a NUL character")
    if SURROGATE.search(text):
        raise ValueError("contains half of a surrogate pair")
    if not re.search(VISIBLE, text):
        raise ValueError("must not be blank")
    return text


def _latitude(value: float) -> float:
    if -90 <= value <= 90:
        return value
    swapped = "; are latitude and longitude swapped?" if -180 <= value <= 180 else ""
    raise ValueError(f"must be from -90 to 90{swapped}")


def _longitude(value: float) -> float:
    if not -180 <= value <= 180:
        raise ValueError("must be from -180 to 180")
    return value


def real_place(latitude: float, longitude: float) -> None:
    """Raises ``ValueError`` for 0, 0, in the sea off Africa: phones without a position report it."""
    if latitude == longitude == 0:
        raise ValueError("latitude and longitude are both 0: this is no position")


def _known(value: float) -> float | None:
    """Phones report what they do not know as -1."""
    return None if value < 0 else value


def _truck_state(text: str) -> str:
    if text not in TRUCK_REQUEST_STATES:
        raise ValueError("must be one of " + ", ".join(TRUCK_REQUEST_STATES))
    return text


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 2.0 is 2, as in JSON Schema and in our comparison of payloads."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _price(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    price = Decimal(repr(value))
    if not 0 <= price <= MAXIMUM_PRICE:
        raise ValueError(f"must be from 0 to {MAXIMUM_PRICE}")
    if price != round(price, 2):
        raise ValueError("must have at most two decimals")
    return price


def _instant(text: str) -> str:
    at = _seconds(text)
    if at < 0:
        raise ValueError("must not lie before 1970")
    if at > clock.seconds() + FUTURE_SECONDS:
        raise ValueError(f"lies more than {FUTURE_SECONDS} s in the future")
    return text


def _time(text: str) -> str:
    if _seconds(text) < 0:
        raise ValueError("must not lie before 1970")
    return text


def _lately(text: str) -> str:
    if _seconds(text) < clock.seconds() - PAST_DAYS * 86_400:
        raise ValueError(f"lies more than {PAST_DAYS} days in the past")
    return text


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time as in 2026-01-31T12:00:00.000Z") from None
    if moment.tzinfo is None:
        raise ValueError("needs its time zone, best Z")
    return moment.timestamp()


def vehicle_name(text: str) -> str:
    """The name in NFC, with plain spaces. Letters include their combining marks and joiners.

    Raises ``ValueError``.
    """
    composed = unicodedata.normalize("NFC", text) if len(text) <= LONGEST_RAW else ""
    name = _spaced(composed)
    if not name or len(composed) > VEHICLE_NAME_LENGTH or not _is_vehicle_name(name):
        raise ValueError(
            f"must be 1 to {VEHICLE_NAME_LENGTH} letters with their marks, digits, spaces, '_', '-' or '.'"
        )
    return name


def _spaced(text: str) -> str:
    """No-break and other spaces as plain ones, none around it."""
    return "".join(" " if unicodedata.category(char) == "Zs" else char for char in text).strip(" ")


def _is_vehicle_name(name: str) -> bool:
    letter_before = False
    for character in name:
        continues = character in JOINERS or unicodedata.category(character).startswith("M")
        if continues and not letter_before:
            return False
        if not continues:
            letter_before = character.isalpha()
            if not (character.isalnum() or character in " _-."):
                return False
    return True


def phone_number(text: str) -> str:
    """A phone number as people and address books write it, as its digits behind an optional ``+``.

    Left out: every kind of space and dash, dots, slashes, brackets, marks of direction, and a ``(0)`` that is
    not dialled from abroad. A leading 00 is a ``+``. Raises ``ValueError``.
    """
    number = "".join(map(_dialled, text)) if len(text) <= LONGEST_RAW else ""
    if number.lstrip("(").startswith(("+", "00")):
        number = number.replace("(0)", "", 1)
    number = number.replace("(", "").replace(")", "")
    if number.startswith("00") and PHONE_DIGITS.fullmatch("+" + number[2:]):
        number = "+" + number[2:]
    if not PHONE_DIGITS.fullmatch(number):
        raise ValueError(
            "must be a phone number of 4 to 15 digits, best with its country, as in +91 98765 43210"
        )
    return number


def _dialled(character: str) -> str:
    """The character in a number: digits of any script in ours, nothing for what only groups them."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in "[]{}./\u2212" or unicodedata.category(character) in ("Zs", "Pd", "Cf"):
        return ""
    return {"\uff0b": "+", "\t": ""}.get(character, character)


# Says of ASCII what `vehicle_name` says; no class of all letters is known to both Python and JavaScript.
NAME_PATTERN = r" *[^\u0000-,/:-@\[-^`{-\u007f][^\u0000-\u001f!-,/:-@\[-^`{-\u007f]*"
TEXT_PATTERN = rf"^[^\u0000]*{VISIBLE}[^\u0000]*$"
# What the published documents say where a validator of ours decides.
_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": VEHICLE_NAME_LENGTH,
    "pattern": f"^{NAME_PATTERN}$",
    "description": "Letters with their combining marks, digits, spaces, '_', '-' and '.'; compared after NFC "
    "and without regard to case.",
}
_RUPEES = {
    "type": "number",
    "minimum": 0,
    "maximum": float(MAXIMUM_PRICE),
    "description": "INR, at most two decimals.",
}
_TEXT: dict[str, JsonValue] = {"pattern": TEXT_PATTERN}
_MOMENT = {"type": "string", "format": "date-time", "maxLength": 40}
_PHONE = {
    "type": "string",
    "maxLength": LONGEST_RAW,
    "pattern": r"^\+?[0-9]([ \-]?[0-9]){3,14}$",
    "description": "4 to 15 digits, best with their country; answered as digits behind an optional '+'. "
    "Brackets, dots, slashes, and every kind of space and dash are left out.",
}
_TRUCK_STATE = {"type": "string", "enum": list(TRUCK_REQUEST_STATES)}

Text = Annotated[str, AfterValidator(_printable), Field(json_schema_extra=_TEXT)]
VehicleName = Annotated[str, AfterValidator(vehicle_name), WithJsonSchema(_NAME)]
WHOLE = BeforeValidator(_whole)
Price = Annotated[Decimal, BeforeValidator(_price), WithJsonSchema(_RUPEES)]
Heading = Annotated[
    float,
    Field(le=360, allow_inf_nan=False, description="Degrees; below 0: unknown."),
    AfterValidator(_known),
]
Speed = Annotated[
    float,
    Field(le=500, allow_inf_nan=False, description="Metres a second; below 0: unknown."),
    AfterValidator(_known),
]
Phone = Annotated[str, AfterValidator(phone_number), WithJsonSchema(_PHONE)]
Latitude = Annotated[
    float,
    Field(allow_inf_nan=False),
    AfterValidator(_latitude),
    WithJsonSchema({"type": "number", "minimum": -90, "maximum": 90}),
]
Longitude = Annotated[
    float,
    Field(allow_inf_nan=False),
    AfterValidator(_longitude),
    WithJsonSchema({"type": "number", "minimum": -180, "maximum": 180}),
]
# Published beside a place: everything but 0, 0.
SOMEWHERE: dict[str, JsonValue] = {
    "not": {
        "required": ["latitude", "longitude"],
        "properties": {"latitude": {"const": 0}, "longitude": {"const": 0}},
    }
}
# A schema of its own: one without a name would be called `Type`, which is a word of Swift.
PointType = TypeAliasType("PointType", Literal["PICKUP", "STOP", "DROP"])
Address = Annotated[Text, Field(min_length=1, max_length=500)]
Reason = Annotated[Text, Field(min_length=1, max_length=500)]
Id = Annotated[str, Field(pattern=f"^{UUID_SHAPE.pattern}$")]
TruckState = Annotated[str, AfterValidator(_truck_state), WithJsonSchema(_TRUCK_STATE)]
OperatorsReason = Annotated[Text, Field(min_length=1, max_length=200)]
Time = Annotated[str, Field(max_length=40), AfterValidator(_time)]
PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Instant = Annotated[str, Field(max_length=40), AfterValidator(_instant)]
Moment = Annotated[Instant, AfterValidator(_lately), WithJsonSchema(_MOMENT)]
