"""The collection for Postman and Bruno has every published operation, ready to be sent."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from tools.client import collection
from web import create_app
from web.documents import openapi

DOCUMENT = openapi.document(create_app())
COLLECTION = json.loads(json.dumps(collection.of(DOCUMENT)))
REQUESTS = [item["request"] for folder in COLLECTION["item"] for item in folder["item"]]


def _operation(request: Any) -> Any:
    parts = [part.removeprefix(":") if part.startswith(":") else None for part in request["url"]["path"]]
    names = zip(request["url"]["path"], parts, strict=True)
    path = "/" + "/".join(f"{{{name}}}" if name else part for part, name in names)
    return DOCUMENT["paths"][path][request["method"].lower()]


def test_every_published_operation_is_there_once() -> None:
    published = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    found = [_operation(request)["operationId"] for request in REQUESTS]
    assert sorted(found) == sorted(operation["operationId"] for operation in published)
    assert len(found) > 40


def test_every_body_fits_its_schema() -> None:
    bodies = [request for request in REQUESTS if "body" in request]
    assert len(bodies) > 15
    for request in bodies:
        schema = _operation(request)["requestBody"]["content"]["application/json"]["schema"]
        root = schema | {"components": DOCUMENT["components"]}
        Draft202012Validator(root).validate(json.loads(request["body"]["raw"]))


def test_every_variable_of_a_request_is_one_of_the_collection() -> None:
    known = {variable["key"] for variable in COLLECTION["variable"]}
    for request in REQUESTS:
        for bearer in request["auth"].get("bearer", ()):
            assert bearer["value"].strip("{}") in known
        written = {part.removeprefix(":") for part in request["url"]["path"] if part.startswith(":")}
        assert written == {variable["key"] for variable in request["url"]["variable"]}
        assert all(variable["value"] for variable in request["url"]["variable"])
