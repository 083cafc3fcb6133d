"""The one shape of every answer: ``{"success": true, "data"}``, or ``{"success": false, "error"}``.

What does not have it was not said by the system, whatever its status.
"""

import json
from collections.abc import Mapping
from typing import Any


def read(content: bytes | bytearray) -> Mapping[str, Any]:
    """The JSON object of a body; an empty one for anything else."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def data(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The data of a success, or None."""
    found = body.get("data")
    return found if body.get("success") is True and isinstance(found, dict) else None


def code(body: Mapping[str, Any]) -> str:
    """The code of a failure, or nothing."""
    error = body.get("error")
    if body.get("success") is not False or not isinstance(error, dict):
        return ""
    found = error.get("code")
    return found if isinstance(found, str) else ""
