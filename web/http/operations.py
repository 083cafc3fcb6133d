"""What the published document says of a route, as the decorator of its view.

The roles come from the view's guard, the path from its route; the first line of its docstring is the summary
and the rest the description: none of that is said twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from models.errors import DomainError

Tag = Literal["Orders", "Drivers", "Operators", "Machines", "Socket", "Documents"]
View = TypeVar("View", bound=Callable[..., Any])


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
    status: int = 200
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
    """A body that works: the first answer answers it."""

    name: str
    summary: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """Everything about one route that its code does not say by itself.

    ``errors`` are those of the domain; what follows from the role, the body and the stores is added.
    """

    tag: Tag
    answer: Answer
    also: tuple[Answer, ...] = ()
    body: type[BaseModel] | None = None
    examples: tuple[Example, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[DomainError], ...] = ()
    # Codes that come from no error of the domain.
    codes: tuple[str, ...] = ()
    # Said of several routes, before the rest of the docstring.
    text: str = ""
    # Pages beside the API, some of them in development only: no part of the public document.
    internal: bool = False

    @property
    def queries(self) -> list[str]:
        """The names of its query parameters."""
        return [parameter.name for parameter in self.parameters if parameter.place == "query"]

    def __call__(self, view: View) -> View:
        view.operation = self  # type: ignore[attr-defined]
        return view


def operation_of(view: Callable[..., Any]) -> Operation:
    """What is said of this view. Raises ``AttributeError`` for one that is not declared."""
    declared: Operation = view.operation  # type: ignore[attr-defined]
    return declared


def links(parameter: str, pointer: str, *endpoints: str) -> tuple[Link, ...]:
    """All these routes take the id that stands there."""
    return tuple(Link(endpoint, parameter, pointer) for endpoint in endpoints)


def query(name: str, meaning: str, schema: Mapping[str, Any], example: Any = None) -> Parameter:
    return Parameter(name, "query", meaning, schema, example)


def number(name: str, meaning: str, least: int, most: int, default: int, example: int) -> Parameter:
    """A query parameter that ``parsing.whole_number`` reads, within these limits."""
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return query(name, meaning, schema, example)


def header(name: str, meaning: str, schema: Mapping[str, Any], example: Any = None) -> Parameter:
    return Parameter(name, "header", meaning, schema, example)
