"""The host that a request names: whether it is valid (RFC 3986), whether it is trusted, and whether it is
this machine itself, for which alone development opens some routes.
"""

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

import flask
from werkzeug.exceptions import NotFound
from werkzeug.wsgi import get_host

from models import settings

# RFC 3986, 3.2.2: a reg-name has more characters than a name in DNS, `_` among them. Werkzeug 3.1 knows
# only those of DNS (tests/unit/test_hosts.py).
REG_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,255}"
HOST = re.compile(rf"(?P<name>{REG_NAME}|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})\])(?::(?P<port>[0-9]{{0,5}}))?")
STANDARD_PORTS = {"http": ":80", "https": ":443"}
# A proxy or a tunnel sets these: the request may come from another machine.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host")
SHUT = "Only with the development secret, and only for this machine itself: open http://localhost:{port}."


class HostRequest(flask.Request):
    """Flask's request, with its host read by RFC 3986."""

    @property
    def host(self) -> str:
        """The ``Host``, without the port of its scheme; empty for what is no host."""
        sent = self.environ.get("HTTP_HOST")
        if sent is None:
            return get_host(self.environ)
        return sent.removesuffix(STANDARD_PORTS.get(self.scheme, "")) if is_valid(sent) else ""

    @host.setter
    def host(self, _: Any) -> None:
        """Flask sets what Werkzeug has read."""


def is_valid(text: str) -> bool:
    """Whether this is ``uri-host [":" port]`` (RFC 9110, 7.2)."""
    match = HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        return False
    return match["v6"] is None or _is_v6(match["v6"])


def is_among(host: str, trusted: Collection[str]) -> bool:
    """Whether the name of this host is one of these, or below one that begins with a dot; whatever its port,
    its case, and a dot at its end.
    """
    name = _name(host)
    wanted = map(_name, trusted)
    return any(
        name == suffix or (suffix.startswith(".") and f".{name}".endswith(suffix)) for suffix in wanted
    )


def _name(host: str) -> str:
    """The name in the spelling that is compared."""
    if not host.isascii():
        dot = "." if host.startswith(".") else ""
        host = dot + host.removeprefix(".").encode("idna").decode()
    match = HOST.fullmatch(host)
    return match["name"].lower().rstrip(".") if match else ""


def _is_v6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def require_own_machine(request: flask.Request) -> None:
    """Refuses with 404 what development opens to its own machine alone."""
    configured = settings.load()
    if not configured.hands_out_tokens:
        raise NotFound
    if not is_own_machine(request):
        raise NotFound(SHUT.format(port=configured.port))


def is_own_machine(request: flask.Request) -> bool:
    """Whether the client is a program on this machine, or a page that this server sent to a browser on it.

    A foreign page can point a name of its own at this machine (DNS rebinding) and is then of the same origin
    as this server; its ``Host`` still has its own name.
    """
    origin = request.headers.get("Origin")
    return (
        names_loopback(request.host)
        and _is_loopback(request.remote_addr or "")
        and not any(name in request.headers for name in FORWARDED)
        and (origin is None or urlsplit(origin).netloc == request.host)
    )


def names_loopback(host: str) -> bool:
    """Whether this ``Host``, with or without a port, is ``localhost``, 127.0.0.0/8 or ``[::1]``."""
    name = _hostname(host)
    return name == "localhost" or _is_loopback(name)


def cannot_be_rebound(host: str) -> bool:
    """Whether no page of a stranger can have this ``Host``: an address, or a name that only a local resolver
    knows, as ``localhost`` or that of a container.
    """
    name = _hostname(host)
    return _address(name) is not None or (name != "" and "." not in name)


def _hostname(host: str) -> str:
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
