"""Which requests come from this machine itself: what development opens, it opens to them alone.

A foreign page can point a name of its own at this machine (DNS rebinding) and is then of the same origin as
we are; its ``Host`` still gives it away.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from flask import Request
from werkzeug.exceptions import NotFound

from models import settings

# A proxy or a tunnel passes on what comes from elsewhere.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host")
SHUT = "Only with the development secret, and only for this machine itself: open http://localhost:{port}."


def require(request: Request) -> None:
    """Refuses with 404 what development opens to its own machine alone."""
    configured = settings.load()
    if not configured.hands_out_tokens:
        raise NotFound
    if not is_own(request):
        raise NotFound(SHUT.format(port=configured.port))


def is_own(request: Request) -> bool:
    """Whether a program on this machine asks, or a page that this server itself has sent to its browser."""
    origin = request.headers.get("Origin")
    return (
        names_loopback(request.host)
        and _is_loopback(request.remote_addr or "")
        and not any(name in request.headers for name in FORWARDED)
        and (origin is None or urlsplit(origin).netloc == request.host)
    )


def names_loopback(host: str) -> bool:
    """Whether this ``Host``, with or without a port, is ``localhost``, 127.0.0.0/8 or ``[::1]``."""
    name = _name(host)
    return name == "localhost" or _is_loopback(name)


def cannot_be_rebound(host: str) -> bool:
    """Whether no page of a stranger can have this ``Host``: an address, or a name that only a local resolver
    knows, as ``localhost`` or that of a container.
    """
    name = _name(host)
    return _address(name) is not None or (name != "" and "." not in name)


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
