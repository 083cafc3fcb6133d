"""The worst 64 KB: bodies, queries and headers that cost as much as possible to read."""

from collections.abc import Iterator
from typing import Any, get_args

import orjson
from pydantic import BaseModel

from web.http.parsing import MAXIMUM_BODY_BYTES

# What fits into the longest URL and the longest header line that the server takes.
QUERY_CHARACTERS = 3900
HEADER_CHARACTERS = 8000
# Combining marks out of their order: sorting them is what makes normalisation expensive.
MARKS = "\u0334\u0316\u0301"


def repeated(part: str, size: int, between: str = "") -> str:
    """As many of these as fit into ``size`` bytes."""
    length = len((part + between).encode())
    return between.join([part] * (size // length))


def names(size: int, value: str = "0") -> str:
    """An object of as many names as possible, all different."""
    found, length, number = [], 2, 0
    while length < size - 12:
        found.append(f'"{number:x}":{value}')
        length += len(found[-1]) + 1
        number += 1
    return "{" + ",".join(found) + "}"


def values(size: int) -> dict[str, str]:
    """JSON values of about this many bytes, by what is bad about them."""
    marks = "a" + "".join(sorted((MARKS * (size // 6))[: size // 2 - 8], key=MARKS.index, reverse=True))
    return {
        "a long text": '"' + "x" * (size - 2) + '"',
        "a blank text": '"' + " " * (size - 2) + '"',
        "combining marks": f'"{marks}"',
        "escaped letters": '"' + repeated("\\u0061", size - 2) + '"',
        "escaped pairs": '"' + repeated("\\ud83d\\ude00", size - 2) + '"',
        "half pairs": '"' + repeated("\\ud83d", size - 2) + '"',
        "backslashes": '"' + repeated("\\\\", size - 2) + '"',
        "a long whole number": "9" * size,
        "the longest whole numbers": "[" + repeated("9" * 4300, size - 2, ",") + "]",
        "a long fraction": "0." + "3" * (size - 2),
        "a long number with an exponent": "9" * (size - 20) + ".5e-60000",
        "a large exponent": "1e" + "9" * (size - 2),
        "numbers near the largest": "[" + repeated("1.7976931348623157e308", size - 2, ",") + "]",
        "a deep array": "[" * (size // 2) + "]" * (size // 2),
        "a deep object": repeated('{"a":', size - 10) + "0",
        "many names": names(size),
        "many names and the last one twice": names(size - 40)[:-1] + ',"last":0,"last":0}',
        "the same name": "{" + repeated('"a":0', size - 2, ",") + "}",
        "many empty objects": "[" + repeated("{}", size - 2, ",") + "]",
        "many empty arrays": "[" + repeated("[]", size - 2, ",") + "]",
        "many small objects": "[" + repeated('{"":0}', size - 2, ",") + "]",
        "many nulls": "[" + repeated("null", size - 2, ",") + "]",
        "many fractions": "[" + repeated("0.1", size - 2, ",") + "]",
        "rows of many names": "[" + ",".join([names(size // 101)] * 100) + "]",
        "few rows of many names": "[" + ",".join([names(size // 11)] * 10) + "]",
        "white space": " " * (size - 1) + "0",
        "a time": '"' + "2026-01-01T00:00:00." + "0" * (size - 24) + 'Z"',
    }


def bodies(model: type[BaseModel] | None) -> Iterator[tuple[str, bytes]]:
    """Bodies of 64 KB for this model, with what is bad at each of its fields, and for none of them."""
    for kind, value in values(MAXIMUM_BODY_BYTES - 100).items():
        yield kind, value.encode()
        yield f"{kind} under an unknown name", f'{{"unknown":{value}}}'.encode()
        for path in fields(model) if model else ():
            yield f"{kind} at {path}", _at(path, value).encode()
    yield "no UTF-8", b'{"a":"' + b"\xff" * (MAXIMUM_BODY_BYTES - 8) + b'"}'
    if model:
        yield "the largest of all", _largest(model)


def fields(model: type[BaseModel]) -> Iterator[str]:
    """Every field, those of models within by their path: ``pickup.address``, ``routePoints[].address``."""
    for name, field in model.model_fields.items():
        yield name
        for inner, many in _models(field.annotation, many=False):
            yield from (f"{name}{'[]' if many else ''}.{below}" for below in fields(inner))


def _models(annotation: Any, many: bool) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, many
    for inner in get_args(annotation):
        yield from _models(inner, many or "list" in str(annotation))


def _at(path: str, value: str) -> str:
    for name in reversed(path.split(".")):
        many = name.endswith("[]")
        value = f'{{"{name.removesuffix("[]")}":' + (f"[{value}]" if many else value) + "}"
    return value


def _largest(model: type[BaseModel]) -> bytes:
    """Every list of the model as full as it may be, and more."""
    row: dict[str, Any] = {"latitude": 1.5, "longitude": 2.5, "address": "x" * 40, "type": "STOP"}
    need = {"vehicleType": "T" * 64, "vehicleSubtype": "S" * 64, "quantity": 5, "pricePerTruck": 500.25}
    many = {"routePoints": [row] * 10, "vehicleRequirements": [need] * 20, "locations": [row] * 100}
    return orjson.dumps({name: value for name, value in many.items() if name in model.model_fields})


def queries(declared: list[str]) -> Iterator[tuple[str, str]]:
    """Queries of nearly 4 KB."""
    yield "many parameters", repeated("a", QUERY_CHARACTERS, "&")
    yield "many escapes", "a=" + repeated("%ff", QUERY_CHARACTERS)
    yield "separators", "&" * QUERY_CHARACTERS
    for name in declared:
        for kind, text in (
            ("digits", "9" * 3800),
            ("escapes", repeated("%00%ff", 3800)),
            ("dots", "." * 3800),
        ):
            yield f"{kind} in {name}", f"{name}={text}"


def headers() -> Iterator[tuple[str, dict[str, str]]]:
    """Lines of 8 KB, and 30 KB of them together."""
    size = HEADER_CHARACTERS
    lines = {
        "X-Forwarded-For": repeated("10.0.0.1", size, ","),
        "Forwarded": repeated("for=10.0.0.1", size, ","),
        "Prefer": repeated("wait=1", size, ","),
        "Cookie": repeated("a=b", size, "; "),
        "Accept": repeated("text/plain;q=0.5", size, ","),
        "Accept-Encoding": repeated("gzip;q=0.5", size, ","),
        "If-None-Match": repeated('W/"a"', size, ","),
        "If-Modified-Since": "Mon, " + "0" * (size - 5),
        "Range": "bytes=" + repeated("0-0", size - 6, ","),
        "Connection": repeated("upgrade", size, ","),
        "Sec-WebSocket-Protocol": repeated("bearer", size, ","),
        "Origin": "http://" + "a." * (size // 2 - 5),
        "X-Request-ID": "x" * size,
        "X-Idempotency-Key": "x" * size,
        "Idempotency-Key": '"' + '\\"' * (size // 2 - 2) + '"',
        "Content-Type": "application/json;" + repeated("a=b", size - 20, ";"),
        "Content-Encoding": repeated("gzip", size, ","),
        "Host": "a." * (size // 2 - 1),
        "Authorization": "Bearer " + repeated("a", size - 10, "."),
    }
    for name, value in lines.items():
        yield name, {name: value}
    spaces = "Bearer" + " " * (size - 20) + "a.b"
    yield "a token after spaces", {"Authorization": spaces}
    yield "many lines", {name: lines[name] for name in ("X-Forwarded-For", "Prefer", "Cookie")}
