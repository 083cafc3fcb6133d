"""Whose address counts: the peer's, unless a proxy that we trust names another."""

import gc
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from flask import Request

from models import settings
from web.http import client_address

PROXIES = "10.0.0.0/8, 2001:db8:9::1"


@pytest.fixture
def _proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRUSTED_PROXIES", PROXIES)
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


def address(peer: str, *forwarded: str) -> str | None:
    environ = {"REMOTE_ADDR": peer}
    if forwarded:
        environ["HTTP_X_FORWARDED_FOR"] = ",".join(forwarded)
    return client_address.of_request(Request(environ))


@pytest.mark.usefixtures("_proxies")
@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.7", (), "203.0.113.7"),
        # What an untrusted client claims is ignored.
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),
        ("10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        # Only the last entry was written by our proxy; those before it by the caller.
        ("10.1.2.3", ("127.0.0.1", "198.51.100.1"), "198.51.100.1"),
        ("10.1.2.3", ("198.51.100.1", "10.9.9.9"), "198.51.100.1"),
        ("10.1.2.3", ("198.51.100.1, 10.9.9.9",), "198.51.100.1"),
        ("10.1.2.3", ("nonsense",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1, nonsense",), "10.1.2.3"),
        ("2001:db8:9::1", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::"),
        # Some platforms write the caller's port too.
        ("10.1.2.3", ("198.51.100.1:51234",), "198.51.100.1"),
        ("10.1.2.3", ("[2001:db8:1:2:3:4:5:6]:443",), "2001:db8:1:2::"),
        ("10.1.2.3", ("198.51.100.1", "fe80::1%" + "x" * 8000), "10.1.2.3"),
        ("::ffff:203.0.113.7", (), "203.0.113.7"),
        ("2001:db8:1:2:ffff::1", (), "2001:db8:1:2::"),
        ("127.0.0.1", (), None),
        ("::1", (), None),
        ("127.0.0.1", ("198.51.100.1",), None),
        ("", (), None),
    ],
)
def test_only_a_trusted_proxy_is_believed(
    peer: str, forwarded: tuple[str, ...], expected: str | None
) -> None:
    assert address(peer, *forwarded) == expected


@pytest.mark.usefixtures("_proxies")
def test_a_chain_of_addresses_is_followed_for_as_many_hops_as_there_are_proxies() -> None:
    inside = ["10.0.0.1"] * 3000
    assert address("10.1.2.3", "198.51.100.1", *inside) == "10.0.0.1"
    begun = time.process_time()
    for _ in range(100):
        address("10.1.2.3", *inside)
    assert time.process_time() - begun < 0.1


@pytest.mark.usefixtures("_proxies")
def test_nothing_long_of_a_forged_header_is_kept() -> None:
    tracemalloc.start()
    try:
        for number in range(2000):
            address(f"10.1.{number % 250}.1", *(f"198.51.{number % 250}.{last % 250}" for last in range(400)))
            address("10.1.2.3", f"{number}:" + "x" * 7000)
        # The requests themselves are in circles.
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
