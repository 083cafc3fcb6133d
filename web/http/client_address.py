"""The address that a request comes from. For limits only: nothing else may depend on it."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import Request

from models import settings

Address = IPv4Address | IPv6Address

# A household or a host has a whole /64 network.
IPV6_HOST_BITS = 64
# More proxies in a row than any deployment has.
MOST_PROXIES = 8
# An IPv6 address in brackets, with a zone and a port, is shorter.
LONGEST = 64
ENTRY = re.compile(
    r"\[(?P<v6>[0-9a-fA-F:.]+)(%\w+)?\](:[0-9]+)?|(?P<v4>[0-9.]+):[0-9]+|(?P<plain>[0-9a-fA-F:.]+)(%\w+)?"
)


def of_request(request: Request) -> str | None:
    """The caller's address, an IPv6 one by its network; ``None`` for this machine itself.

    ``X-Forwarded-For`` counts only as far as TRUSTED_PROXIES wrote it: from its end, one entry for each
    trusted proxy on the way.
    """
    address = _parsed(request.remote_addr or "")
    rest = request.headers.get("X-Forwarded-For", "")
    for _ in range(MOST_PROXIES):
        if not rest or address is None or not _trusted(address):
            break
        rest, _, hop = rest.rpartition(",")
        if (named := _parsed(hop.strip())) is None:
            break
        address = named
    if address is None or address.is_loopback:
        return None
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> IPV6_HOST_BITS << IPV6_HOST_BITS))
    return str(address)


def _parsed(text: str) -> Address | None:
    return _address(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    """The address in an entry, which some proxies write with its port."""
    if (match := ENTRY.fullmatch(text)) is None:
        return None
    try:
        address = ip_address(match["v6"] or match["v4"] or match["plain"])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _trusted(address: Address) -> bool:
    return any(address in network for network in settings.load().proxies)
