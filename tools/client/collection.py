"""A collection for Postman and Bruno: every operation, with a body that works and the token of a role."""

import json
from collections.abc import Mapping
from typing import Any

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
VARIABLES = {"url": "http://127.0.0.1:8000", "customerToken": "", "driverToken": "", "opsToken": ""}


def of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The collection; a folder for each tag of the document."""
    folders: dict[str, list[Any]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            folders[operation["tags"][0]].append(_item(path, method, operation))
    return {
        "info": {"name": document["info"]["title"], "schema": SCHEMA},
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
        "item": [{"name": name, "item": items} for name, items in folders.items()],
    }


def _item(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    request = {
        "method": method.upper(),
        "description": operation.get("description", ""),
        "auth": _token(operation["security"]),
        "header": [found | {"disabled": True} for found in _parameters(parameters, "header")],
        "url": _url(path, parameters),
        **_body(operation),
    }
    return {"name": operation["summary"], "request": request}


def _token(security: list[Mapping[str, list[str]]]) -> dict[str, Any]:
    if not security:
        return {"type": "noauth"}
    value = "{{" + security[0]["token"][0] + "Token}}"
    return {"type": "bearer", "bearer": [{"key": "token", "value": value, "type": "string"}]}


def _url(path: str, parameters: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Parameters of the query are there to be switched on."""
    parts = path.replace("{", ":").replace("}", "").strip("/")
    return {
        "raw": "{{url}}/" + parts,
        "host": ["{{url}}"],
        "path": parts.split("/") if parts else [],
        "variable": _parameters(parameters, "path"),
        "query": [found | {"disabled": True} for found in _parameters(parameters, "query")],
    }


def _parameters(declared: list[Mapping[str, Any]], place: str) -> list[dict[str, Any]]:
    return [
        {
            "key": parameter["name"],
            "value": str(parameter.get("example", "")),
            "description": parameter.get("description", ""),
        }
        for parameter in declared
        if parameter["in"] == place
    ]


def _body(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The first body that the document shows."""
    if "requestBody" not in operation:
        return {}
    content = operation["requestBody"]["content"]["application/json"]
    shown: Any = next(iter(content["examples"].values()), {"value": {}})["value"]
    text = json.dumps(shown, indent=2, ensure_ascii=False)
    return {"body": {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}}
