"""The AsyncAPI document as a page without scripts."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

TITLES = {
    "to_driver": "To drivers",
    "from_driver": "From drivers",
    "to_customer": "To customers",
    "from_customer": "From customers",
}
# On a phone the cells of a row stand one below the other.
STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #8888;padding:.25rem .5rem;text-align:left;vertical-align:top;"
    "overflow-wrap:break-word}h3{font-family:monospace}pre{white-space:pre-wrap}"
    ":target{outline:3px solid}a{color:inherit}"
    "nav a{margin-right:1rem}"
    "@media(max-width:40rem){table,tbody,tr,td{display:block}td{border:0;overflow-wrap:anywhere}"
    "tr{border:1px solid #8888;margin-bottom:.5rem}tr:has(th){display:none}}"
)
PAGES = {"console": "Console", "docs": "API", "asyncapi": "Socket", "guide": "Guide", "runbook": "Runbook"}


def html(document: Mapping[str, Any]) -> str:
    """One section for each direction and role, a table of fields for each frame, then the close codes."""
    introduction = document["info"]["description"].partition("| close code")[0]
    closes = document["channels"]["driver"]["x-close-codes"].items()
    parts = [
        head("the socket"),
        "<h1>The socket</h1>",
        *(f"<p>{text(paragraph)}</p>" for paragraph in introduction.strip().split("\n\n")),
        *(line for name, title in TITLES.items() for line in _section(document, name, title)),
        "<h2>Types</h2>",
        *(line for name in _types(document) for line in _type(document, name)),
        "<h2>Close codes</h2>",
        _table(("code", "meaning"), closes),
        '<p>The same for machines: <a href="/asyncapi.json">/asyncapi.json</a>.</p></main></html>',
    ]
    return "\n".join(parts)


def head(title: str) -> str:
    """The beginning of a page to read, with links to the others."""
    links = "".join(f'<a href="/{name}">{words}</a>' for name, words in PAGES.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="/console/icon.svg">'
        f"<title>Weelo: {escape(title)}</title><style>{STYLE}</style><nav>{links}</nav><main>"
    )


def _section(document: Mapping[str, Any], operation: str, title: str) -> Iterator[str]:
    yield f"<h2>{title}</h2>"
    for reference in document["operations"][operation]["messages"]:
        message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
        yield f"<h3>{message['name']}</h3><p>{text(message['summary'])}</p>"
        data = _resolved(document, message["payload"]["properties"]["data"])
        yield _fields(data)


def _types(document: Mapping[str, Any]) -> list[str]:
    """The schemas that other schemas name."""
    return sorted(set(re.findall(r"'#/components/schemas/(\w+)'", str(document["components"]["schemas"]))))


def _type(document: Mapping[str, Any], name: str) -> Iterator[str]:
    yield f"<h3>{name}</h3>"
    yield _fields(document["components"]["schemas"][name])


def _fields(schema: Mapping[str, Any]) -> str:
    """The table of what is in an object; nothing for an empty one."""
    required = schema.get("required", ())
    fields = schema.get("properties", {}).items()
    rows = [(name, _kind(field), _meaning(field, name in required)) for name, field in fields]
    return _table(("field", "type", "meaning"), rows) if rows else ""


def text(words: str) -> str:
    """Words with what stands between backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words))


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _kind(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "anyOf" in field:
        return " or ".join(map(_kind, field["anyOf"]))
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    values = field.get("enum") or ([field["const"]] if "const" in field else [])
    return ", ".join(map(str, values)) or str(field.get("format") or field.get("type", "object"))


def _meaning(field: Mapping[str, Any], required: bool) -> str:
    return " ".join(filter(None, ("" if required else "May be missing.", field.get("description", ""))))


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = ["".join(f"<td>{text(cell)}</td>" for cell in row) for row in rows]
    titles = "".join(f"<th>{cell}</th>" for cell in head)
    return f"<table><tr>{titles}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
