"""The operators' routes that erase a person."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from models.errors import DriverNotRegistered, PersonActive
from web.documents.operations import Answer, Example, Operation
from web.documents.shapes import Shape
from web.schemas.bodies import Erasure


class Erased(Shape):
    role: Literal["customer", "driver"] = Field(description="As in the address.")
    id: str
    erased: Literal[True] = Field(description="Done, everywhere, when this is answered.")


_ERASE = Operation(
    "Operators",
    {200: Answer("Nothing is known of them any more, or nothing was.", Erased)},
    body=Erasure,
    examples=(Example("asked", "At the person's request", {"reason": "asked for on 29 November"}),),
    errors=(PersonActive,),
    text="Name, phone, addresses, tracks and stored answers are deleted, places keep two decimals; ids and "
    "times stay. Noted with the operator's id and the reason. Revoke the person's tokens first: what their "
    "app sends afterwards is stored as new.",
)
ROUTES = {
    "people.erase_customer": _ERASE,
    "people.erase_driver": replace(_ERASE, errors=(DriverNotRegistered, PersonActive)),
}
