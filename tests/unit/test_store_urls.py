"""Addresses of stores: what is taken, what is refused, and that no refusal repeats a password."""

import pytest
from kombu.connection import Connection

from models import store_urls


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (
            "postgresql://u:p%40s@h:5433/d",
            {"user": "u", "password": "p@s", "host": "h", "port": "5433", "dbname": "d"},
        ),
        ("postgres://h/d", {"host": "h", "dbname": "d"}),
        ("postgresql+psycopg2://h/d", {"host": "h", "dbname": "d"}),
        ("postgresql://[::1]:5432/d", {"host": "::1", "port": "5432", "dbname": "d"}),
        ("postgresql://a:1,b:2/d", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        ("postgresql:///d?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "d"}),
        (
            "postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem",
            {"host": "h", "dbname": "d", "sslmode": "verify-full", "sslrootcert": "/ca.pem"},
        ),
        (
            "postgresql://h/d?options=-csearch_path%3Dmine",
            {"host": "h", "dbname": "d", "options": "-csearch_path=mine"},
        ),
    ],
)
def test_addresses_of_postgres_are_read_as_libpq_reads_them(url: str, found: dict[str, str]) -> None:
    assert store_urls.postgres(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://weelo:hidden@h/d",
        "mysql://weelo:hidden@h/d",
        "weelo:hidden@h/d",
        "'postgresql://weelo:hidden@h/d'",
        "postgresql://weelo:hid/den@h/d",
        "postgresql://weelo:hid@den@h/d",
        "postgresql://weelo:h%zzd@h/d",
        "postgresql://weelo:hidden@h:port/d",
        "postgresql://weelo:hidden@h/d?schema=public",
        "host=h password=hidden",
    ],
)
def test_what_is_no_address_of_a_postgres_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"postgresql://|\?schema") as refused:
        store_urls.postgres(url)
    assert "hid" not in str(refused.value)
    assert "den" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://h", store_urls.RedisAddress("h", 6379, 0)),
        ("redis://:p%40s@h:1/3", store_urls.RedisAddress("h", 1, 3, None, "p@s")),
        ("redis://user:p@s@h", store_urls.RedisAddress("h", 6379, 0, "user", "p@s")),
        ("redis://[::1]:6380/1", store_urls.RedisAddress("::1", 6380, 1)),
        (
            "rediss://h?ssl_cert_reqs=CERT_REQUIRED",
            store_urls.RedisAddress("h", 6379, 0, tls=True, ca_file="/ca"),
        ),
    ],
)
def test_addresses_of_redis_mean_the_same_to_every_client(url: str, found: store_urls.RedisAddress) -> None:
    address = store_urls.redis(url, "/ca")
    assert address == found
    kombus = Connection(address.url)
    assert (kombus.hostname, kombus.port, kombus.userid, kombus.password) == (
        found.host,
        found.port,
        found.username,
        found.password,
    )
    assert int(kombus.virtual_host) == found.database
    assert store_urls.redis(address.url, "/ca") == found


@pytest.mark.parametrize(
    "url",
    [
        "unix:///run/redis.sock",
        "unix://:hidden@/run/redis.sock?db=1",
        "redis+socket:///x",
        "sentinel://:hidden@h",
        "amqp://u:hidden@h//",
        "redis://:hidden@h?health_check_interval=30",
        "redis://:hidden@h?socket_timeout=1",
        "redis://:hidden@h?db=1",
        "rediss://:hidden@h?ssl_cert_reqs=none",
        "rediss://:hidden@h?ssl_ca_certs=/ca.pem",
        "redis://:hid/den@h",
        "redis://:h#den@h",
        "redis://:h?den@h",
        "redis://h/x",
        "redis://h:0",
        "redis://h:99999",
        "redis://a;redis://b",
        "h:6379",
    ],
)
def test_what_one_client_would_not_take_is_refused_for_all_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis://|REDIS_CA_FILE|is not read") as refused:
        store_urls.redis(url)
    assert "hid" not in str(refused.value)
    assert "den" not in str(refused.value)


def test_a_password_does_not_leave_with_a_message() -> None:
    url = "postgresql://u:example%2Fone@h/d"
    assert (
        store_urls.without_secrets("could not say example/one or example%2Fone", url)
        == "could not say *** or ***"
    )


def test_the_certificate_of_a_rediss_server_is_checked_everywhere() -> None:
    address = store_urls.redis("rediss://h", "/ca.pem")
    for options in (address.options, address.tls_options):
        assert options["ssl_cert_reqs"] == "required"
        assert options["ssl_check_hostname"] is True
        assert options["ssl_ca_certs"] == "/ca.pem"
    assert "ssl_cert_reqs" not in store_urls.redis("redis://h").options
