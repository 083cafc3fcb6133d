"""Holds what the application says against what its documents say."""

import re
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from web import create_app
from web.documents import asyncapi, openapi

Document = dict[str, Any]


@lru_cache(maxsize=1)
def of_http() -> Document:
    """The OpenAPI document of this checkout."""
    return openapi.document(create_app(), whole=True)


@lru_cache(maxsize=1)
def of_socket() -> Document:
    """The AsyncAPI document of this checkout."""
    return asyncapi.document("localhost", secure=False)


def operation(method: str, path: str) -> Document:
    """What is said of this method of this path; a path of the document or one that was requested."""
    for template, methods in of_http()["paths"].items():
        shape = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(shape, path) and method.lower() in methods:
            found: Document = methods[method.lower()]
            return found
    raise AssertionError(f"no document says anything of {method} {path}")


def check(method: str, path: str, status: int, headers: Any, body: Any) -> None:
    """Raises unless this answer is one that is documented: its status, headers, code and every field."""
    said = operation(method, path)["responses"]
    assert str(status) in said, f"{method} {path} answered {status}, documented are {sorted(said)}: {body}"
    response = said[str(status)]
    for name in set(of_http()["components"]["headers"]) - set(response["headers"]):
        assert name not in headers, f"{method} {path} {status} carries {name}"
    content = response.get("content", {}).get("application/json", {})
    if "schema" in content:
        # The document says boolean only: of a constant a generator makes Swift that does not compile.
        assert body["success"] is (status < 400)
        _hold(of_http(), content["schema"], body)


def check_frame(role: str, direction: str, frame: Any) -> None:
    """The same for a frame on the socket of this role."""
    messages = of_socket()["components"]["messages"]
    name = f"{direction}_{role}.{frame.get('type')}"
    assert name in messages, f"no document says anything of {name}"
    _hold(of_socket(), messages[name]["payload"], frame)


def _hold(document: Document, schema: Document, value: Any) -> None:
    components = {
        "schemas": {name: _closed(shape) for name, shape in document["components"]["schemas"].items()}
    }
    root = schema | {"components": components}
    errors = list(Draft202012Validator(root, format_checker=FormatChecker()).iter_errors(value))
    assert not errors, "\n".join(f"{error.json_path}: {error.message}" for error in errors) + f"\n{value}"


def _closed(schema: Any) -> Any:
    """The schema without room for fields that nobody has documented."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found
