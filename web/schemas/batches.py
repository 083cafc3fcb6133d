"""Batches of positions: wrong rows are refused by their number, the others are taken."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from web.http.errors import MOST_DETAILS, shown
from web.http.parsing import faults, invalid, named
from web.schemas.bodies import Positions, ReportedPosition

ROWS = "locations"


@dataclass(frozen=True)
class Batch:
    """The right rows, and ``{row, field, message}`` for each of the others; rows are counted from 0."""

    positions: list[ReportedPosition]
    refused: list[dict[str, Any]]

    def answer(self) -> dict[str, Any]:
        """What is answered about the refused rows: the first 50, and how many there are beside these."""
        more = len(self.refused) - MOST_DETAILS
        return {"refused": self.refused[:MOST_DETAILS]} | ({"moreRefused": more} if more > 0 else {})


def read_batch(data: dict[str, Any]) -> Batch:
    """The batch of a body. Raises ``Invalid`` if the body itself is wrong, or no row is right."""
    try:
        return Batch(Positions.model_validate(data).locations, [])
    except ValidationError as error:
        refused = _refused_rows(error)
        if not refused or len(refused) == len(data[ROWS]):
            raise invalid(error) from None
    right = [row for number, row in enumerate(data[ROWS]) if number not in refused]
    return Batch(Positions.model_validate({ROWS: right}).locations, list(refused.values()))


def _refused_rows(error: ValidationError) -> dict[int, dict[str, Any]]:
    """The first fault of each wrong row, by its number; nothing if a fault is not one of a row."""
    refused: dict[int, dict[str, Any]] = {}
    for fault in faults(error):
        if fault["loc"][:1] != (ROWS,) or len(fault["loc"]) < 2:
            return {}
        number, (field, message) = int(fault["loc"][1]), named(fault)
        refused.setdefault(number, {"row": number, "field": shown(field), "message": shown(message)})
    return refused
