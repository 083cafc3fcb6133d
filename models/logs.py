"""One line a fact: JSON in production, readable in development, always with the request's id."""

import logging
import sys
from typing import Any

import orjson
import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

from models import settings

LONGEST_FIELD = 2_000
TIMESTAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _render() -> list[Any]:
    """Tracebacks without local variables: those hold tokens and passwords, and take seconds to print."""
    if settings.load().production:
        errors = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        return [errors, structlog.processors.JSONRenderer(orjson.dumps)]
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain)]


def _write() -> Any:
    """Where our own lines go: past the standard library, which costs four times what a line does."""
    if settings.load().production:
        return structlog.BytesLoggerFactory(sys.stdout.buffer)
    return structlog.PrintLoggerFactory(sys.stdout)


def _shorten(_: Any, __: str, line: Any) -> Any:
    """Cuts fields that are longer than a screen."""
    for name, value in line.items():
        if isinstance(value, str) and len(value) > LONGEST_FIELD:
            line[name] = value[:LONGEST_FIELD] + "…"
    return line


def _text(_: Any, __: str, line: Any) -> str:
    return line.decode() if isinstance(line, bytes) else str(line)


def configure(process: str) -> None:
    """Sets up logging for this process; ``process`` (web, orders, sweeps, …) is on every line."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _shorten,
        structlog.stdlib.add_log_level,
        TIMESTAMP,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_render(), _text],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # Celery says twice for each task what our own lines say once.
    for noisy in (
        "celery.worker.strategy",
        "celery.app.trace",
        "celery.beat",
        "gunicorn.access",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, *_render()],
        logger_factory=_write(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
