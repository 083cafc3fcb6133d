"""The OpenAPI 3.1 document, put together from the application's routes and what is declared of them."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from web.documents import codes, responses
from web.documents.fields import described
from web.documents.responses import REFERENCE
from web.http.operations import Operation, Parameter, Tag, operation_of
from web.identity.tokens import SUBJECT

# Methods that the framework adds to a route.
UNSAID = frozenset({"HEAD", "OPTIONS"})
EXAMPLES = {"customer": "asha", "asset": "console.css", "name": "swagger-ui.css"}
EXAMPLE_ID = "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071"

# No person and no address: SECURITY.md says how to reach the maintainers.
CONTACT = {"name": "The maintainers of Weelo"}

_INTRODUCTION = """\
Trucks are ordered by customers, offered to the nearest drivers, and go to the first driver who accepts.

Every answer is `{"success": true, "data": …}` or `{"success": false, "error": {"code", "message",
"details"?, "data"?}}`. Times are ISO 8601 in UTC with milliseconds, coordinates WGS84 degrees, distances
kilometres, money INR. A request may carry its own `X-Request-ID` (1 to 64 letters, digits, `.`, `_`, `-`).
Unknown fields are refused, but for those of a driver's position; unknown and repeated query parameters too.
The socket is described at [/asyncapi](/asyncapi), and [/guide](/guide) says what an app has to do beyond
sending requests.

"""


def document(app: Flask, whole: bool = False) -> dict[str, Any]:
    """The public document, or the ``whole`` one. Raises ``AttributeError`` for an undeclared route."""
    declared = [operation_of(view) for view in app.view_functions.values()]
    shown = _models([operation for operation in declared if whole or not operation.internal])
    _, components = models_json_schema(sorted(shown, key=str), ref_template=REFERENCE)
    schemas = plain(components.get("$defs", {}) | {"Failure": responses.ERROR})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Weelo",
            "version": "1",
            "description": _INTRODUCTION + codes.markdown(),
            "contact": dict(CONTACT),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in get_args(Tag)],
        "paths": dict(_paths(app, whole)),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": responses.HEADERS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _models(operations: list[Operation]) -> set[tuple[type[BaseModel], JsonSchemaMode]]:
    """What is sent as it is read, what is answered as it is written."""
    sent = {(operation.body, "validation") for operation in operations if operation.body}
    answers = [answer for operation in operations for answer in (operation.answer, *operation.also)]
    return sent | {(answer.data, "serialization") for answer in answers if answer.data}  # type: ignore[return-value]


def plain(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, and with what each field means."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: described(key, plain(field)) for key, field in value.items()}
        if name == "properties"
        else plain(value)
        for name, value in schema.items()
        if name != "title" or not isinstance(value, str)
    }


def _paths(app: Flask, whole: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    found: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        if operation_of(app.view_functions[rule.endpoint]).internal and not whole:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: "{" + _camel(match[1]) + "}", rule.rule)
        for method in sorted((rule.methods or set()) - UNSAID):
            found.setdefault(path, {})[method.lower()] = _operation(app, rule)
    yield from sorted(found.items())


def _operation(app: Flask, rule: Rule) -> dict[str, Any]:
    view: Any = app.view_functions[rule.endpoint]
    declared = operation_of(view)
    roles: tuple[str, ...] = view.roles
    summary, _, rest = (view.__doc__ or "").strip().partition("\n")
    operation: dict[str, Any] = {
        "operationId": responses.operation_id(rule.endpoint),
        "tags": [declared.tag],
        "summary": summary,
        "description": " ".join([*declared.text.split(), *rest.split(), _audience(roles)]),
        "parameters": [*map(_path_parameter, sorted(rule.arguments)), *map(_parameter, declared.parameters)],
        "responses": dict(responses.of(rule.endpoint, declared, roles, view.counted)),
        "security": [{"token": list(roles)}] if roles else [],
    }
    if declared.body:
        operation["requestBody"] = _body(declared)
    return {name: value for name, value in operation.items() if value or name == "security"}


def _audience(roles: tuple[str, ...]) -> str:
    return f"With a token of {' or '.join(f'`{role}`' for role in roles)}." if roles else "Open to everybody."


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string"} | ({"format": "uuid"} if name.endswith("_id") else {})
    if name in ("customer", "driver_id"):
        schema = {"type": "string", "pattern": f"^{SUBJECT.pattern}$"}
    example = EXAMPLE_ID if name.endswith("_id") else EXAMPLES[name]
    return {"name": _camel(name), "in": "path", "required": True, "schema": schema, "example": example}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    shown = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.meaning,
        "schema": parameter.schema,
    }
    return shown if parameter.example is None else shown | {"example": parameter.example}


def _body(declared: Operation) -> dict[str, Any]:
    assert declared.body
    examples = {
        example.name: {
            "summary": example.summary,
            "value": example.body,
            "x-answered-with": declared.answer.status,
        }
        for example in declared.examples
    }
    content = {"schema": {"$ref": REFERENCE.format(model=declared.body.__name__)}, "examples": examples}
    required = any(field.is_required() for field in declared.body.model_fields.values())
    return {"required": required, "content": {"application/json": content}}
