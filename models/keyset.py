"""Pages by keyset: the newest rows below a cursor, found by one index and no other."""

from collections.abc import Mapping
from datetime import datetime

# Ids are UUIDv7: their order is the order of arrival, so the last id of a page is its cursor. The first page
# begins below the largest id, so that every page has a bound that its index knows.
LARGEST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
LEAST_ID = "00000000-0000-0000-0000-000000000000"


def first_id(moment: datetime) -> str:
    """The least id that can be made at this moment: UUIDv7 begins with the time in ms."""
    digits = f"{round(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}{LEAST_ID[13:]}"


def keyset(key: Mapping[str, str], column: str, below: str) -> str:
    """The SQL of a condition and an order: rows with these values, ``column`` below a value, largest first.

    ``key`` gives the SQL of a value for each column of an index that ends with ``column``. As one comparison
    of rows, so that the order is that of this index: written as equalities, the planner may walk through
    another index that has only ``column`` in order, and leave out row by row what has other values.
    """
    columns = [*key, column]
    names, order = ", ".join(columns), ", ".join(f"{column} DESC" for column in columns)
    below_it = f"({names}) < ({', '.join([*key.values(), below])})"
    if not key:
        return f"{column} < {below} ORDER BY {order}"
    return f"({', '.join(key)}) >= ({', '.join(key.values())}) AND {below_it} ORDER BY {order}"
