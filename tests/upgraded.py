"""A WebSocket of the server on one end of a pair of connected sockets."""

import base64
import socket

from web.socket.websocket import WebSocket

KEY = base64.b64encode(bytes(16)).decode()


def accepted(connection: socket.socket, **headers: str) -> WebSocket:
    """Upgrades it: the other end receives the 101 first."""
    return WebSocket({"gunicorn.socket": connection, "HTTP_SEC_WEBSOCKET_KEY": KEY, **headers}, "request")
