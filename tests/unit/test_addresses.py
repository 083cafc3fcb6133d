"""Whose address counts: the peer's, unless a proxy that we trust names another."""

from collections.abc import Iterator

import pytest
from flask import Request

from models import settings
from web import addresses

PROXIES = "10.0.0.0/8, 2001:db8:9::1"


@pytest.fixture
def _proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRUSTED_PROXIES", PROXIES)
    for cached in (settings.load, addresses._named):
        cached.cache_clear()
    yield
    for cached in (settings.load, addresses._named):
        cached.cache_clear()


def address(peer: str, *forwarded: str) -> str | None:
    environ = {"REMOTE_ADDR": peer}
    if forwarded:
        environ["HTTP_X_FORWARDED_FOR"] = ",".join(forwarded)
    return addresses.of_request(Request(environ))


@pytest.mark.usefixtures("_proxies")
@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.7", (), "203.0.113.7"),
        # Whoever is no proxy of ours may claim what he likes.
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),
        ("10.1.2.3", ("198.51.100.1",), "198.51.100.1"),
        # Only the last entry was written by our proxy; those before it by the caller.
        ("10.1.2.3", ("127.0.0.1", "198.51.100.1"), "198.51.100.1"),
        ("10.1.2.3", ("198.51.100.1", "10.9.9.9"), "198.51.100.1"),
        ("10.1.2.3", ("198.51.100.1, 10.9.9.9",), "198.51.100.1"),
        ("10.1.2.3", ("nonsense",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.1, nonsense",), "10.1.2.3"),
        ("2001:db8:9::1", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::"),
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
