"""Whether two payloads are the same: as JSON values, not as bytes."""

import hashlib
from typing import Any

import orjson


def of(payload: dict[str, Any]) -> bytes:
    """SHA-256 over one spelling of the value: sorted names, whole numbers without a fraction."""
    return hashlib.sha256(orjson.dumps(_plain(payload), option=orjson.OPT_SORT_KEYS)).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
