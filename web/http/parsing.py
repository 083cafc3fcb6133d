"""Request bodies and queries: strict JSON, strict types, every wrong field by its name."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from flask import Request, current_app, g, request
from gevent import Timeout  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import (
    ClientDisconnected,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
    abort,
)

from models.errors import DomainError
from web.http.errors import MOST_DETAILS, Invalid
from web.http.operations import Parameter, operation_of
from web.http.watching import watching

# Larger than the largest honest order (20 requirements, 10 route points, long addresses).
MAXIMUM_BODY_BYTES = 64 * 1024
# A usual body is a packet or two. gunicorn sets no limit of time, and slow clients would fill this process.
BODY_SECONDS = 5.0
JSON = "application/json"
# The content coding that means none.
IDENTITY = "identity"
# Where the application keeps the query parameters of its endpoints.
Model = TypeVar("Model", bound=BaseModel)

UUID_SHAPE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _refuse_constant(name: str) -> NoReturn:
    raise Invalid([("body", f"{name} is not JSON")])


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Invalid([("body", "a number is too large")])
    return number


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid([(_first_twice(name for name, _ in pairs), "appears twice in one object")])
    return found


def _first_twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("every name is there once")


def body(req: Request = request) -> dict[str, Any]:
    """The request's JSON object. Raises ``Invalid`` and what :func:`sent` raises."""
    return content(sent(req))


class UnsupportedEncoding(UnsupportedMediaType):
    """A body that is compressed or declared so. By RFC 9110, 15.5.16, the answer names what is accepted."""

    description = "Send the body as it is, without a Content-Encoding."

    def get_headers(self, *arguments: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*arguments), ("Accept-Encoding", IDENTITY)]


def sent(req: Request = request) -> bytes:
    """The request's body in bytes; its type must be declared as JSON.

    Raises the HTTP errors 400, 408, 413, 415 and 501.
    """
    if req.environ.get("HTTP_CONTENT_ENCODING", IDENTITY).strip().lower() not in ("", IDENTITY):
        raise UnsupportedEncoding
    raw = _read(req)
    if watching.people:
        g.body = raw
    if raw and req.environ.get("CONTENT_TYPE") != JSON and req.mimetype != JSON:
        raise UnsupportedMediaType("Send application/json.")
    return raw


def _read(req: Request) -> bytes:
    coding = req.environ.get("HTTP_TRANSFER_ENCODING", "").strip().lower()
    if coding not in ("", "chunked"):
        abort(501, "Of the transfer codings only chunked is read.")
    # gunicorn has refused a length that is no number, and both headers at once.
    length = int(req.environ.get("CONTENT_LENGTH") or 0)
    if length > MAXIMUM_BODY_BYTES:
        raise RequestEntityTooLarge
    try:
        with Timeout(BODY_SECONDS, False):
            return _chunks(req) if coding else _bytes(req, length)
    except (OSError, ParseException):
        raise ClientDisconnected from None
    raise RequestTimeout(f"The body did not come within {BODY_SECONDS:.0f} s.")


def _bytes(req: Request, length: int) -> bytes:
    # gunicorn ends this stream at the end of the body, so it needs no other bound.
    raw: bytes = req.input_stream.read(length)
    # A body that was cut off is no request.
    if len(raw) < length:
        raise ClientDisconnected
    return raw


def _chunks(req: Request) -> bytes:
    raw: bytes = req.environ["wsgi.input"].read(MAXIMUM_BODY_BYTES + 1)
    if len(raw) > MAXIMUM_BODY_BYTES:
        raise RequestEntityTooLarge
    return raw


def content(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object. Raises ``Invalid``."""
    return parse(raw) if raw else {}


def parse(raw: bytes) -> dict[str, Any]:
    """One JSON object (RFC 8259) without duplicate names, NaN, infinities or endless depth, in time that
    grows with its length.
    """
    try:
        parsed = json.loads(
            raw.decode(),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_without_duplicates,
        )
    except RecursionError:
        raise Invalid([("body", "is nested too deeply")]) from None
    except UnicodeDecodeError:
        raise Invalid([("body", "is not UTF-8")]) from None
    except json.JSONDecodeError as error:
        raise Invalid([("body", f"is not JSON: {error}")]) from None
    except ValueError:
        # Python converts integers of up to 4,300 digits: longer ones take quadratic time.
        raise Invalid([("body", "a number has too many digits")]) from None
    if not isinstance(parsed, dict):
        raise Invalid([("body", "must be a JSON object")])
    return parsed


def validated(model: type[Model], data: dict[str, Any]) -> Model:
    """The model filled with the data; raises ``Invalid`` with a row for each wrong field."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def faults(error: ValidationError) -> list[ErrorDetails]:
    """What is wrong, in the order of the fields."""
    # With input and links each row would cost twice as much.
    return error.errors(include_url=False, include_context=False, include_input=False)


def invalid(error: ValidationError) -> Invalid:
    """The error, with a row for each wrong field."""
    found = faults(error)
    first = found[:MOST_DETAILS]
    return Invalid([named(fault) for fault in first], more=len(found) - len(first))


def named(fault: ErrorDetails) -> tuple[str, str]:
    """``(field, message)``."""
    return _field(fault["loc"]), fault["msg"].removeprefix("Value error, ")


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"


def identifier(value: str, missing: type[DomainError]) -> str:
    """The id in lower case. Raises ``missing`` for what is no UUID."""
    if not UUID_SHAPE.fullmatch(value):
        raise missing
    return str(UUID(value))


def whole_number(parameter: Parameter) -> int:
    """The value of a query parameter that ``operations.number`` has declared."""
    text = request.args.get(parameter.name)
    least, most = parameter.schema["minimum"], parameter.schema["maximum"]
    if text is None:
        return int(parameter.schema["default"])
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise Invalid([(parameter.name, f"must be a whole number from {least} to {most}")])
    return int(text)


def check_query() -> None:
    """Raises ``Invalid`` for query parameters that the route does not declare, or that come twice.

    Pages, files and probes that anybody may read take any query: nothing in them depends on it, and
    browsers, caches and probes add their own.
    """
    if not request.query_string:
        return
    view = current_app.view_functions[str(request.endpoint)]
    known = operation_of(view).queries
    wrong = [(name, "is no parameter of this address") for name in request.args if name not in known]
    wrong += [(name, "is given more than once") for name, values in request.args.lists() if len(values) > 1]
    if wrong:
        raise Invalid(wrong)
