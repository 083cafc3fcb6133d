"""Pages by keyset: the newest rows below a cursor, found by one index and no other."""

from collections.abc import Mapping

# Ids are UUIDv7: their order is the order of arrival, so the last id of a page is its cursor. The first page
# begins below the largest id, so that every page has a bound that its index knows.
LARGEST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


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
