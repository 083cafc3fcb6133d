"""Whether the process lives, and whether the main job could run."""

from collections.abc import Callable

import redis
import structlog
from flask import Blueprint, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from models import db, live
from models.live import alive
from web.access import public
from web.answers import success
from web.errors import failure

blueprint = Blueprint("health", __name__)
log = structlog.get_logger()

# Without either of these queues an order is neither placed nor ended.
QUEUES = ("orders", "sweeps")


def _postgres() -> str:
    with db.statements() as connection:
        connection.execute(text("SELECT 1 FROM admissions LIMIT 1"))
    return "ok"


def _redis() -> str:
    live.commands().ping()
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


def _run(check: Callable[[], str]) -> str:
    try:
        return check()
    except (redis.RedisError, SQLAlchemyError) as error:
        return f"away ({type(error).__name__})"


@blueprint.get("/health")
@public
def health() -> Response:
    """The process lives."""
    return success({"status": "alive"})


@blueprint.get("/ready")
@public
def ready() -> Response:
    """The main job can run: one line for each part it needs."""
    found = {name: _run(check) for name, check in CHECKS.items()}
    if all(state == "ok" for state in found.values()):
        return success(dict(found))
    return failure(
        503, "NOT_READY", "The main job cannot run.", data=dict(found), headers={"Retry-After": "2"}
    )
