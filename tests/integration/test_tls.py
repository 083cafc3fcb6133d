"""rediss://: every client checks the server's certificate, and REDIS_CA_FILE vouches for one of our own."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kombu.exceptions import OperationalError

from models import live, settings
from models.live import queues
from tasks.celery_patches.broker import FastReconnectConnection
from tests.conftest import forget_configuration, process_settings


def _serve(server: socket.socket, context: ssl.SSLContext) -> None:
    """Says yes to everything, one answer a command."""
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(plain, context), daemon=True).start()


def _talk(plain: socket.socket, context: ssl.SSLContext) -> None:
    try:
        with context.wrap_socket(plain, server_side=True) as talking:
            while got := talking.recv(4096):
                talking.sendall(b"+PONG\r\n" if b"PING" in got else b"+OK\r\n")
    except OSError:
        plain.close()


def _certificate(where: Path) -> tuple[Path, Path]:
    """One for localhost that has signed itself, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (where / "ca.pem").write_bytes(made.public_bytes(pem))
    plain = serialization.NoEncryption()
    (where / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return where / "ca.pem", where / "key.pem"


Trust: TypeAlias = Callable[[bool], None]


@pytest.fixture
def tls_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trust]:
    """A Redis behind a certificate of an authority of our own; called: whether we name that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, context), daemon=True).start()

        def trust(named: bool) -> None:
            monkeypatch.setenv("REDIS_CA_FILE", str(tmp_path / "ca.pem") if named else "")
            forget_configuration()

        with process_settings(REDIS_URL=f"rediss://localhost:{server.getsockname()[1]}/0"):
            yield trust
            monkeypatch.undo()


def _celery() -> Any:
    broker = settings.load().broker
    made = FastReconnectConnection(
        broker.url, ssl=broker.tls_options, transport_options={"socket_timeout": 2}
    )
    with made as connection:
        channel: Any = connection.default_channel
        return channel.client.ping()


CLIENTS: dict[str, Callable[[], Any]] = {
    "live state": lambda: live.commands().ping(),
    "subscription": lambda: live.subscriber().ping(),
    "depths of queues": lambda: queues._broker().ping(),
    "Celery": _celery,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_certificate_that_nobody_vouches_for_is_refused(client: str, tls_redis: Trust) -> None:
    tls_redis(False)
    with pytest.raises((redis.RedisError, OSError, OperationalError), match=r"(?i)certificate.verify.failed"):
        CLIENTS[client]()


@pytest.mark.parametrize("client", CLIENTS)
def test_the_named_authority_vouches_for_it_everywhere(client: str, tls_redis: Trust) -> None:
    tls_redis(True)
    assert CLIENTS[client]()
