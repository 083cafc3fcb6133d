"""Which name a request was sent to: a host of RFC 3986, and whether it is one of ours."""

import re
from collections.abc import Collection
from ipaddress import IPv6Address
from typing import Any

import flask
from werkzeug.wsgi import get_host

# RFC 3986, 3.2.2: a reg-name has more characters than a name in DNS, `_` among them. Werkzeug 3.1 knows
# only those of DNS (tests/unit/test_hosts.py).
REG_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,255}"
HOST = re.compile(rf"(?P<name>{REG_NAME}|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})\])(?::(?P<port>[0-9]{{0,5}}))?")
STANDARD_PORTS = {"http": ":80", "https": ":443"}


class Request(flask.Request):
    """Flask's request with that idea of a host."""

    @property
    def host(self) -> str:
        """The ``Host``, without the port of its scheme; empty for what is no host."""
        sent = self.environ.get("HTTP_HOST")
        if sent is None:
            return get_host(self.environ)
        return sent.removesuffix(STANDARD_PORTS.get(self.scheme, "")) if is_one(sent) else ""

    @host.setter
    def host(self, _: Any) -> None:
        """Flask sets what Werkzeug has read."""


def is_one(text: str) -> bool:
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
    return any(name == one or (one.startswith(".") and f".{name}".endswith(one)) for one in wanted)


def _name(host: str) -> str:
    """In the one spelling that is compared."""
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
