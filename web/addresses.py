"""Which address a request comes from, for limits: nothing else may rest on it."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import Request

from models import settings

Address = IPv4Address | IPv6Address

# One household or host has all the addresses of such a network.
IPV6_PREFIX = 64


def of_request(request: Request) -> str | None:
    """The caller's address, an IPv6 one by its network; ``None`` for this machine itself.

    ``X-Forwarded-For`` counts only as far as TRUSTED_PROXIES wrote it.
    """
    return _named(request.remote_addr or "", ",".join(request.headers.getlist("X-Forwarded-For")))


@lru_cache(maxsize=4096)
def _named(peer: str, forwarded: str) -> str | None:
    address = _parsed(peer)
    for hop in reversed(forwarded.split(",")):
        named = _parsed(hop.strip())
        if address is None or named is None or not _trusted(address):
            break
        address = named
    if address is None or address.is_loopback:
        return None
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False).network_address)
    return str(address)


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _trusted(address: Address) -> bool:
    return any(address in network for network in settings.load().proxies)
