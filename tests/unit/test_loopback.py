"""Which hosts are this machine's own: development opens some of its doors to them alone."""

import pytest

from web.http import hosts


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "127.8.9.10:1", "[::1]", "[::1]:8000"],
)
def test_loopback_is_known_by_its_names(host: str) -> None:
    assert hosts.names_loopback(host)
    assert hosts.cannot_be_rebound(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:8000",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "127.0.0.1@evil.test",
        "evil.test#localhost",
        "foo.localhost",
        "127.1",
        "[::1",
        "",
    ],
)
def test_any_other_name_is_not_and_could_be_a_strangers(host: str) -> None:
    assert not hosts.names_loopback(host)
    assert not hosts.cannot_be_rebound(host)


@pytest.mark.parametrize(
    "host", ["web:8000", "weelo_app", "192.168.1.5:8000", "0.0.0.0:8000", "[fe80::1]:8000"]
)
def test_an_address_or_a_local_name_is_not_loopback_but_no_page_can_make_it_its_own(host: str) -> None:
    assert not hosts.names_loopback(host)
    assert hosts.cannot_be_rebound(host)
