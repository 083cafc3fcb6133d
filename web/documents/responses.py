"""What a route answers: its successes, and every error with its codes and examples."""

from collections.abc import Iterable, Iterator
from typing import Any

from web.documents import codes
from web.documents.codes import Code
from web.documents.examples import RECORDED
from web.documents.fields import MEANINGS
from web.http.operations import Answer, Link, Operation

# Answers a plain GET without any store.
WITHOUT_STORES = frozenset({"Machines", "Documents"})

_TEXT = {"type": "string"}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "The caller's own id of this request, or ours.", "schema": _TEXT},
    "Location": {"description": "Where the order is.", "schema": _TEXT},
    "Idempotent-Replayed": {
        "description": "`true` where the answer was given before.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Preference-Applied": {
        "description": "`respond-async` where it was asked for.",
        "schema": {"type": "string", "enum": ["respond-async"]},
    },
    "WWW-Authenticate": {
        "description": '`Bearer`, with `error="invalid_token"` where a token was sent.',
        "schema": _TEXT,
    },
    "Accept-Encoding": {
        "description": "`identity` where the body had a `Content-Encoding`.",
        "schema": {"type": "string", "enum": ["identity"]},
    },
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "RateLimit-Policy": {
        "description": "The limits that counted this request: `q` requests in `w` seconds each.",
        "schema": _TEXT,
    },
    "RateLimit": {
        "description": "What is left of each of them: `r` requests, for `t` seconds.",
        "schema": _TEXT,
    },
}
EVERYWHERE = ("X-Request-ID",)
# Where requests are counted.
COUNTED = (*EVERYWHERE, "RateLimit-Policy", "RateLimit")

# Headers that only a failure of this status has.
OF_STATUS = {401: ["WWW-Authenticate"], 415: ["Accept-Encoding"]}

REFERENCE = "#/components/schemas/{model}"
ERROR = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"type": "boolean"},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": _TEXT,
                "message": _TEXT,
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "message"],
                        "properties": {"field": _TEXT, "message": _TEXT},
                    },
                },
                "data": {"type": "object"},
            },
        },
    },
}


def of(
    endpoint: str, declared: Operation, roles: tuple[str, ...], counted: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each status with its Response Object."""
    always = COUNTED if counted else EVERYWHERE
    for answer in (declared.answer, *declared.also):
        recorded = RECORDED.get(f"{operation_id(endpoint)} {answer.status}")
        yield str(answer.status), _success(answer, always, recorded)
    failures: dict[int, list[Code]] = {}
    known = codes.table()
    for code in sorted(_codes(declared, roles, counted)):
        failures.setdefault(known[code].status, []).append(known[code])
    for status, found in sorted(failures.items()):
        yield str(status), _failure(found, always)


def _codes(declared: Operation, roles: tuple[str, ...], counted: bool) -> set[str]:
    """The codes of a route: what it declares, and what follows from the rest."""
    found = {"INTERNAL_ERROR", *declared.codes, *(error.code for error in declared.errors)}
    if roles:
        found |= {"UNAUTHENTICATED", "FORBIDDEN"}
    if counted:
        found.add("RATE_LIMIT_EXCEEDED")
    if declared.tag not in WITHOUT_STORES:
        found.add("SERVICE_UNAVAILABLE")
    if declared.parameters or declared.body:
        found.add("VALIDATION_ERROR")
    if declared.body:
        found |= {"PAYLOAD_TOO_LARGE", "REQUEST_TIMEOUT", "UNSUPPORTED_MEDIA_TYPE"}
    return found


def _success(answer: Answer, always: tuple[str, ...], recorded: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "description": answer.meaning,
        "headers": _headers([*always, *answer.headers]),
    }
    if answer.data:
        schema = {
            "type": "object",
            "required": ["success", "data"],
            "properties": {
                "success": {"type": "boolean", "description": MEANINGS["success"]},
                "data": {
                    "$ref": REFERENCE.format(model=answer.data.__name__),
                    "description": MEANINGS["data"],
                },
            },
        }
        example = {"example": recorded} if recorded else {}
        shown["content"] = {"application/json": {"schema": schema} | example}
    elif answer.media:
        shown["content"] = {answer.media: {}}
    if answer.links:
        shown["links"] = {operation_id(link.endpoint): _link(link) for link in answer.links}
    return shown


def operation_id(endpoint: str) -> str:
    """The name of a route in the document."""
    return endpoint.replace(".", "_")


def _link(link: Link) -> dict[str, Any]:
    found = f"$response.body#/data{link.pointer}"
    return {"operationId": operation_id(link.endpoint), "parameters": {link.parameter: found}}


def _failure(found: list[Code], always: tuple[str, ...]) -> dict[str, Any]:
    names = [code.code for code in found]
    own = ["Retry-After"] if any(codes.waits(name) for name in names) else []
    own += OF_STATUS.get(found[0].status, [])
    narrowed = {"properties": {"error": {"properties": {"code": {"enum": names}}}}}
    schema = {"allOf": [{"$ref": REFERENCE.format(model="Failure")}, narrowed]}
    examples = {
        code.code: {"value": {"success": False, "error": {"code": code.code, "message": code.meaning}}}
        for code in found
    }
    return {
        "description": "\n".join(f"`{code.code}`: {code.meaning}  " for code in found),
        "headers": _headers([*always, *own]),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
