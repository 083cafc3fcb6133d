"""What is declared of a route beside its code.

Its role comes from the view, its path from the route, its sentence from the view's docstring: none of
that is said twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from models.errors import DomainError


@dataclass(frozen=True)
class Link:
    """A route that takes the id found in this answer: the route's endpoint, the name that the id has
    there, and where in ``data`` it stands (a JSON pointer).
    """

    endpoint: str
    parameter: str
    pointer: str


@dataclass(frozen=True)
class Answer:
    """A success: what it means, the model of its ``data``, headers that only it has, where it leads."""

    meaning: str
    data: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    # What is answered in no JSON of ours: the media type.
    media: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """A query parameter or a request header, with a value that works."""

    name: str
    place: str
    meaning: str
    schema: Mapping[str, Any]
    example: Any = None


@dataclass(frozen=True)
class Example:
    """A body that works, and the status that answers it."""

    name: str
    summary: str
    body: Mapping[str, Any]
    status: int = 200


@dataclass(frozen=True)
class Operation:
    """Everything about one route that the code does not say by itself.

    ``errors`` are those of the domain; what follows from the role, the body and the stores is added.
    """

    tag: str
    answers: Mapping[int, Answer]
    body: type[BaseModel] | None = None
    body_required: bool = True
    examples: tuple[Example, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[DomainError], ...] = ()
    # Codes that come from no error of the domain.
    codes: tuple[str, ...] = ()
    text: str = field(default="")
    # Pages beside the API, some of them in development only: no part of the public document.
    internal: bool = False


def links(parameter: str, pointer: str, *endpoints: str) -> tuple[Link, ...]:
    """All these routes take the id that stands there."""
    return tuple(Link(endpoint, parameter, pointer) for endpoint in endpoints)


def query(name: str, meaning: str, schema: Mapping[str, Any], example: Any = None) -> Parameter:
    return Parameter(name, "query", meaning, schema, example)


def header(name: str, meaning: str, schema: Mapping[str, Any], example: Any = None) -> Parameter:
    return Parameter(name, "header", meaning, schema, example)
