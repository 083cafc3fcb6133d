"""Messages drawn from the schemas of `/asyncapi.json`: right ones, and ones with a single rule broken."""

import copy
import random
import re
import uuid
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
Path = tuple[str, ...]

# Fields that need not be there are, as often as not.
OPTIONAL = 0.5
LONG = 600
LETTERS = "abcXYZ 0189.,-_/'\"\\<>&é€ट्रक\u200b\U0001f69a\n\t"
BEYOND = (0.0001, 1, 1e6)
OTHER_KINDS: tuple[Any, ...] = (True, 7, 1.5, "7", [], {}, [None], {"a": 1})


class Messages:
    """What one role may send, by the document; the same seed draws the same messages."""

    def __init__(self, document: Schema, role: str) -> None:
        self._schemas: Schema = document["components"]["schemas"]
        self.payloads: list[Schema] = [
            message["payload"]
            for name, message in document["components"]["messages"].items()
            if name.startswith(f"from_{role}.")
        ]

    def right(self, draw: random.Random) -> Schema:
        """A message that fits the document."""
        return self._object(draw, draw.choice(self.payloads))

    def nearly(self, draw: random.Random) -> Any:
        """A message that fits but for one place."""
        payload = draw.choice(self.payloads)
        message = self._object(draw, payload)
        # The server does not look at the id and the time of an app's frame.
        message.pop("id", None)
        message.pop("at", None)
        message.setdefault("data", {})
        path, value = draw.choice(list(self._breaks(draw, payload, message, ())))
        return _put(message, path, value)

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            found: Schema = self._schemas[schema["$ref"].rpartition("/")[2]]
            return found
        return schema

    def _value(self, draw: random.Random, schema: Schema) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return draw.choice(schema["enum"])
        if "anyOf" in schema:
            return self._value(draw, draw.choice(schema["anyOf"]))
        kinds = {"object": self._object, "string": _text, "number": _number, "integer": _number}
        return None if schema["type"] == "null" else kinds[schema["type"]](draw, schema)

    def _object(self, draw: random.Random, schema: Schema) -> Schema:
        schema, required = self._resolved(schema), self._required(schema)
        return {
            name: self._value(draw, field)
            for name, field in schema["properties"].items()
            if name in required or draw.random() < OPTIONAL
        }

    def _required(self, schema: Schema) -> set[str]:
        """The fields that must be there; ``data`` too where some of its own must."""
        named = set(schema.get("required", ()))
        data = self._resolved(schema["properties"].get("data", {}))
        return named | ({"data"} if data.get("required") else set())

    def _breaks(
        self, draw: random.Random, schema: Schema, value: Any, path: Path
    ) -> Iterator[tuple[Path, Any]]:
        """Every place that can be wrong, with a wrong value for it."""
        schema = self._resolved(schema)
        variants = [self._resolved(variant) for variant in schema.get("anyOf", [schema])]
        kinds = {variant["type"] for variant in variants if "type" in variant}
        others = [other for other in OTHER_KINDS if not (_kinds(other) & kinds)]
        yield path, draw.choice(others)
        for variant in variants:
            yield from ((path, wrong) for wrong in _outside(draw, variant))
        if isinstance(value, dict):
            for name in schema.get("required", ()):
                yield path, {key: item for key, item in value.items() if key != name}
            if schema.get("additionalProperties") is False:
                yield path, {**value, "other": draw.choice(OTHER_KINDS)}
            for name, item in value.items():
                yield from self._breaks(draw, schema["properties"][name], item, (*path, name))


def _kinds(value: Any) -> set[str]:
    """The types of JSON Schema that a value has."""
    names = {
        bool: {"boolean"},
        int: {"integer", "number"},
        float: {"number"},
        str: {"string"},
        list: {"array"},
    }
    return names.get(type(value), {"object"})


def _text(draw: random.Random, schema: Schema) -> str:
    """A text that fits: an id, a time, or any letters."""
    pattern, longest = schema.get("pattern", ""), min(schema.get("maxLength", LONG), LONG)
    if schema.get("format") == "date-time":
        return (
            f"20{draw.randrange(10, 26)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}T12:00:00.000Z"
        )
    unique = str(uuid.UUID(int=draw.getrandbits(128)))
    if re.search(pattern, unique) and not re.search(pattern, "x"):
        return unique
    letters = "x" + "".join(draw.choices(LETTERS, k=draw.choice([0, 3, 40, longest - 1])))
    if not re.search(pattern, letters):
        raise ValueError(f"no text is known for {pattern}")
    return letters


def _number(draw: random.Random, schema: Schema) -> Any:
    limits: list[Any] = [schema.get("minimum", -(10**6)), schema.get("maximum", 10**6)]
    within = draw.randint(*limits) if schema["type"] == "integer" else draw.uniform(*limits)
    return draw.choice([*limits, within])


def _outside(draw: random.Random, schema: Schema) -> Iterator[Any]:
    """Values of the right kind that this schema does not take."""
    step = draw.choice(BEYOND)
    if "minimum" in schema:
        yield schema["minimum"] - (int(step) + 1 if schema["type"] == "integer" else step)
    if "maximum" in schema:
        yield schema["maximum"] + (int(step) + 1 if schema["type"] == "integer" else step)
    if schema.get("type") == "integer":
        yield 1.5
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if "pattern" in schema or "enum" in schema or "const" in schema:
        yield "\0"


def _put(message: Any, path: Path, value: Any) -> Any:
    """The message with another value at this place."""
    if not path:
        return value
    changed = copy.deepcopy(message)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed
