"""Liveness of this process, and whether the main job can run."""

from collections.abc import Callable

import redis
import structlog
from flask import Blueprint, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from models import db, outbox
from models.live import alive
from web.guards import probe
from web.http.errors import failure
from web.http.operations import Answer, Operation
from web.http.responses import success
from web.schemas.answers_to_drivers import Alive, Ready, ReadyWeb

blueprint = Blueprint("health", __name__)
log = structlog.get_logger()

# Without either of these queues an order is neither placed nor ended.
QUEUES = ("orders", "sweeps")


ONE = text("SELECT 1")
# Of no order: the row is never committed.
NOBODYS = "00000000-0000-0000-0000-000000000000"


def _postgres() -> str:
    """Writes as an order does, and rolls back: a standby, a full disk and lost rights refuse only writes."""
    with db.engine().connect() as connection:
        outbox.add(connection, NOBODYS, ())
        connection.rollback()
    return "ok"


def _redis() -> str:
    """Writes: a replica, and a Redis without memory or disk, answer a PING."""
    alive.say(alive.READY)
    return "ok"


def _worker() -> str:
    found = dict(zip(QUEUES, alive.heard(*(alive.queue(name) for name in QUEUES)), strict=True))
    silent = [name for name, heard in found.items() if not heard]
    return f"no worker for the queue {' and '.join(silent)}" if silent else "ok"


def _beat() -> str:
    return "ok" if alive.heard(alive.BEAT)[0] else "no sweep has run for 15 s"


CHECKS: dict[str, Callable[[], str]] = {
    "postgres": _postgres,
    "redis": _redis,
    "worker": _worker,
    "beat": _beat,
}


# What only Redis knows.
OF_REDIS = ("worker", "beat")


def state(part: str) -> str:
    """``ok``, or what is wrong with this part."""
    try:
        return CHECKS[part]()
    except (redis.RedisError, SQLAlchemyError) as error:
        return _what_it_says(error)


def _what_it_says(error: Exception) -> str:
    """Whether the store is away or refuses, and the name of the error; no address, no password."""
    cause = getattr(error, "orig", None) or error.__cause__ or error
    name = getattr(cause, "status_code", None) or type(cause).__name__
    if type(cause) is redis.ResponseError:
        name = str(cause).partition(" ")[0]
    answers = isinstance(cause, redis.ResponseError) or getattr(cause, "pgcode", None)
    return f"{'refuses' if answers else 'away'} ({name})"


def _states() -> dict[str, str]:
    found = {name: state(name) for name in CHECKS if name not in OF_REDIS}
    if found["redis"] == "ok":
        return found | {name: state(name) for name in OF_REDIS}
    return found | dict.fromkeys(OF_REDIS, "not known without Redis")


@blueprint.get("/health")
@probe
@Operation("Machines", Answer("It lives.", Alive))
def health() -> Response:
    """The process lives."""
    return success({"status": "alive"})


@blueprint.get("/ready")
@probe
@Operation("Machines", Answer("All parts are there.", Ready), codes=("NOT_READY",))
def ready() -> Response:
    """The main job can run: one line for each part it needs."""
    found = _states()
    if all(said == "ok" for said in found.values()):
        return success(dict(found))
    return failure(
        503, "NOT_READY", "The main job cannot run.", data=dict(found), headers={"Retry-After": "2"}
    )


@blueprint.get("/ready/web")
@probe
@Operation("Machines", Answer("This process reaches Postgres.", ReadyWeb), codes=("NOT_READY",))
def ready_web() -> Response:
    """This process reaches Postgres, and so may have requests.

    For load balancers. `/ready` asks for workers and beat too, so it fails everywhere at once.
    """
    try:
        with db.reads() as connection:
            connection.execute(ONE)
    except SQLAlchemyError as error:
        return failure(
            503,
            "NOT_READY",
            "This process cannot reach Postgres.",
            data={"postgres": _what_it_says(error)},
            headers={"Retry-After": "2"},
        )
    return success({"postgres": "ok"})
