"""Recorded examples of the documents: what changes from run to run is replaced, all else is compared."""

import json
import re
from typing import Any

from web.documents import examples

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SAMPLE_UUID, SAMPLE_MOMENT = "019ab3c4-5d6e-7f80-9a1b-{:012x}", "2026-11-25T10:00:00.000Z"
FIRST_ID = 1_764_064_800_000_001
# What names a vehicle, which has the test's own name too.
OF_VEHICLES = frozenset({"vehicleSubtype", "vehicle", "summary"})
# How many rows a page has, and whether there are more, depends on what other tests have left.
OF_PAGES = {"nextCursor": None, "more": False}
# Of everybody, so that only the fields are compared: the figures and the map of operators.
OF_EVERYBODY: dict[str, dict[str, Any]] = {
    "ops_overview 200": {"status": "active", "state": "available", "vehicleSubtype": "TATA_ACE"}
    | {"detail": "", "ok": True, "p50Seconds": 0.02, "p99Seconds": 0.05, "nextWaveAt": SAMPLE_MOMENT}
    | {"address": "Noida", "latitude": 28.5355, "longitude": 77.391},
    "ops_last_hour 200": {"p50Ms": 20, "p99Ms": 50},
    "ops_rebroadcast 200": {"wave": 2, "radiusKm": 10, "nextWaveAt": SAMPLE_MOMENT},
}


class Settled:
    """One answer or frame with its ids, times and people replaced; ``name`` is what the test calls people."""

    def __init__(self, example: str, name: str) -> None:
        self._name = name
        self._fixed = OF_PAGES | OF_EVERYBODY.get(example, {})
        self._counts = example in ("ops_overview 200", "ops_last_hour 200")
        self._ids: dict[str, str] = {}
        self._numbers: dict[int, int] = {}

    def value(self, found: Any, key: str = "") -> Any:
        if key in self._fixed and not isinstance(found, dict | list):
            return self._fixed[key]
        if isinstance(found, dict):
            return {field: self.value(value, field) for field, value in found.items()}
        if isinstance(found, list):
            return [self.value(item, key) for item in self._ours(found)]
        if isinstance(found, str):
            return self._text(found, key)
        if key == "id" and isinstance(found, int):
            return self._numbers.setdefault(found, FIRST_ID + len(self._numbers))
        return 7 if self._counts and isinstance(found, int) and not isinstance(found, bool) else found

    def _ours(self, rows: list[Any]) -> list[Any]:
        """Of a page the rows of this test; if nothing says whose they are, the plainest one."""
        ours = [row for row in rows if self._name in json.dumps(row)]
        if self._counts and rows and isinstance(rows[0], dict) and "part" not in rows[0]:
            return [min(rows, key=lambda row: len(json.dumps(row)))]
        return ours if ours and len(ours) < len(rows) and isinstance(rows[0], dict) else rows

    def _text(self, found: str, key: str) -> str:
        if MOMENT.fullmatch(found):
            return SAMPLE_MOMENT
        if self._counts and key == "id" and not UUID.fullmatch(found):
            return "ravi"
        person = {"customerId": "asha"}.get(key, "TATA_ACE" if key in OF_VEHICLES else "ravi")
        found = found.replace(self._name.title(), person.title())
        return UUID.sub(self._uuid, found.replace(self._name, person))

    def _uuid(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0], SAMPLE_UUID.format(len(self._ids) + 1))


def hold(example: str, found: Any, name: str, record: bool) -> None:
    """Raises unless this is the recorded example; with ``record`` it becomes that."""
    today = Settled(example, name).value(found)
    recorded = json.loads(examples.FILE.read_text())
    if record:
        text = json.dumps(dict(sorted((recorded | {example: today}).items())), indent=1, ensure_ascii=False)
        examples.FILE.write_text(text + "\n")
    else:
        assert today == recorded.get(example), f"{example}: --record-examples renews it"
