"""Answers and frames as the system gives them, recorded by the end-to-end tests into `examples.json`.

`python -m pytest tests/e2e/test_documents.py --record-examples` renews them. Without that option the same
tests say which of them is not what the system answers today.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

FILE = Path(__file__).with_name("examples.json")
# By operation and status ("orders_show 200"), or by direction, role and type ("to_driver.new_broadcast").
RECORDED: Mapping[str, Any] = orjson.loads(FILE.read_bytes())
