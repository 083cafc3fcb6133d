"""Refusals by gunicorn itself, before the application sees the request, in the contract's shape."""

import logging
import socket
from http import HTTPStatus
from uuid import uuid4

import structlog
from gunicorn import util  # type: ignore[import-untyped]

from web.http import headers
from web.http.errors import HTTP_CODES, failure

log = structlog.get_logger()

# gunicorn's own line of a refusal quotes what was sent, and that may be a token.
QUOTES = "Invalid request from ip="
FAILED = "Error handling request"
LONGEST = 200


def register() -> None:
    """Replaces gunicorn's HTML errors, and filters its log lines about clients."""
    util.write_error = _write_error
    logging.getLogger("gunicorn.error").addFilter(_wanted)


def _wanted(record: logging.LogRecord) -> bool:
    """Drops lines that quote a client, and the traceback of each client that stopped reading."""
    if str(record.msg).startswith(FAILED) and isinstance(record.args, tuple):
        # The method and the address, whose query may hold a token.
        record.args = tuple(str(value).partition("?")[0][:LONGEST] for value in record.args)
    stalled = record.exc_info is not None and isinstance(record.exc_info[1], TimeoutError)
    return not stalled and not str(record.msg).startswith(QUOTES)


def _write_error(sock: socket.socket, number: int, reason: str, message: str) -> None:
    """Answers and logs the refusal; ``message`` quotes the request and is left out of both."""
    status, request_id = HTTPStatus(number), uuid4().hex
    log.info("refused by the server", status=number, request_id=request_id)
    code = HTTP_CODES.get(number, status.name)
    answer = failure(number, code, status.description or status.phrase)
    sent = {**headers.SECURITY, **answer.headers, "X-Request-ID": request_id, "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    head = f"HTTP/1.1 {number} {status.phrase}\r\n{lines}\r\n"
    util.write_nonblock(sock, head.encode("latin-1") + answer.get_data())
