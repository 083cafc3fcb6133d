"""Every statement that the code can send, found by looking at its modules, and what a plan of one reads."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

from models.prepared import DOLLARS, SETTINGS, Prepared

PACKAGES = ("models", "workers", "tasks", "web")
# Scripts that run when they are imported, or need a gunicorn.
NOT_IMPORTED = (
    "models.migrations",
    "gunicornconfig",
    "web.identity.print_token",
    "web.identity.revoke_token",
    "tasks.celery_patches.beat",
)
BEGINNINGS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")

# Columns of which one value belongs to few rows, however long the product runs. One customer may have any
# number of orders, and one driver any number of offers.
FEW_ROWS = frozenset({"id", "order_id", "truck_request_id", "token_id"})
# Indexes of what is going on now: one driver or customer has at most a handful in them.
OF_NOW = frozenset(
    {
        "one_running_trip_per_driver",
        "one_searching_order_per_customer",
        "one_queued_admission_per_customer",
        "ix_orders_searcher",
        "one_open_offer_per_driver_and_order",
    }
)
SCANS = ("Index Scan", "Index Only Scan", "Bitmap Index Scan")


class Index(NamedTuple):
    """Its columns in their order, as Postgres writes them."""

    columns: tuple[str, ...]


def every() -> dict[str, str]:
    """The statements by name, such as ``workers.drivers.trips.LOCK``; each statement of a text by itself."""
    found: dict[str, str] = {}
    for module in _modules():
        for name, value in vars(module).items():
            for key, sql in _statements(value):
                for number, part in enumerate(_parts(sql)):
                    found.setdefault(
                        part, f"{module.__name__}.{name}{key}" + (f";{number}" if number else "")
                    )
    return {name: sql for sql, name in found.items()}


def _modules() -> Iterator[Any]:
    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not module.name.startswith(NOT_IMPORTED):
                yield importlib.import_module(module.name)


def _statements(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, TextClause):
        yield "", value.text
    elif isinstance(value, Prepared):
        yield "", value.sql
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from ((f"[{key}]{deeper}", sql) for deeper, sql in _statements(inner))


def _parts(sql: str) -> list[str]:
    whole = (part.strip() for part in sql.split(";"))
    return [part for part in whole if part.upper().lstrip("( \n").startswith(BEGINNINGS)]


# Where a statement is made elsewhere than at the top of a module, and what it is.
MADE_ELSEWHERE = {
    "models.prepared": "a prepared one, run unprepared",
    "models.tables.grants": "of the migrations",
    "web.routes.health": "one row of one table",
}


def hidden() -> list[str]:
    """The functions that make a statement in passing, where `every` does not find it."""
    found = []
    for module in _modules():
        if module.__name__ in MADE_ELSEWHERE:
            continue
        tree = ast.parse(inspect.getsource(module))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and _makes_one_and_runs_it(function):
                found.append(f"{module.__name__}.{function.name}")
    return found


def _makes_one_and_runs_it(function: ast.FunctionDef) -> bool:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    runs = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "execute"]
    return any(
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in ("text", "Prepared")
        for run in runs
        for value in run.args[:1]
    )


def indexes(connection: Connection) -> dict[str, Index]:
    """Every index of our tables."""
    rows = connection.exec_driver_sql("""
        SELECT c.relname, array_agg(pg_get_indexdef(i.indexrelid, n, true) ORDER BY n)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid, generate_series(1, i.indnkeyatts) AS n
        WHERE c.relnamespace = CAST('public' AS regnamespace) GROUP BY c.relname
    """)
    return {name: Index(tuple(columns)) for name, columns in rows}


def generic_plan(connection: Connection, sql: str) -> dict[str, Any]:
    """The plan that holds for all values of the parameters, by an index wherever there is one."""
    compiled = str(text(sql).compile(dialect=DOLLARS))
    told = connection.exec_driver_sql(
        f"{SETTINGS}EXPLAIN (GENERIC_PLAN, FORMAT JSON) {compiled.replace('%', '%%')}", ()
    )
    plan: dict[str, Any] = told.scalar_one()[0]["Plan"]
    return plan


def parts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan and all that is below it."""
    yield plan
    for part in plan.get("Plans", []):
        yield from parts(part)


def reads_too_much(plan: dict[str, Any], known: Mapping[str, Index], tables: frozenset[str]) -> list[str]:
    """What of a plan reads more of a table or an index the longer the product runs, in words."""
    found = []
    for part in parts(plan):
        if part["Node Type"] == "Seq Scan" and part["Relation Name"] in tables:
            found.append(f"all of {part['Relation Name']}")
        elif part["Node Type"] == "Bitmap Heap Scan":
            # Its other plans are those of subqueries in its filter, which `parts` gives by themselves.
            (below,) = (plan for plan in part["Plans"] if plan["Parent Relationship"] == "Outer")
            found += _scan(below | {"Filter": part.get("Filter")}, known)
        elif part["Node Type"] in SCANS and part["Node Type"] != "Bitmap Index Scan":
            found += _scan(part, known)
    return found


def _scan(part: dict[str, Any], known: Mapping[str, Index]) -> list[str]:
    if part["Node Type"] in ("BitmapAnd", "BitmapOr"):
        return [scan for below in part["Plans"] for scan in _scan(below | {"Filter": part["Filter"]}, known)]
    name = part["Index Name"]
    if name not in known:
        return []
    condition, columns = part.get("Index Cond", ""), known[name].columns
    if not _bound(columns[0], condition, "<|>|<=|>=|="):
        # Postgres 18 skips through an index whose first column has no condition, one value after the other.
        return [f"all of {name}"]
    narrow = any(_bound(column, condition, "=") for column in columns if column in FEW_ROWS or name in OF_NOW)
    if part.get("Filter") and not narrow:
        return [f"{name} by {condition}, and leaves out by {part['Filter']}"]
    return []


def _bound(column: str, condition: str, operators: str) -> bool:
    """Whether a condition compares this column, or rows that begin with it."""
    name = rf"(^|[(. ]){re.escape(column)}"
    rows = rf"ROW\({re.escape(column)}, [^()]*\) ({operators}) ROW"
    return bool(re.search(rf"{name} ({operators}) |{rows}", condition))
