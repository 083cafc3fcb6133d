"""Tokens that are wrong, over HTTP: each is 401, and none of them is ever written down."""

import base64
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests import raw
from tests.conftest import ROOT
from tests.forging import NONE, claims, encoded, forged, public_pem, signed
from tests.system import Person, System, hear, until
from web.identity.issuing import issue

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
PATH = "/api/v1/orders/active"
HS256 = {"alg": "HS256", "typ": "JWT"}


def answer(url: str, *values: str, path: str = PATH) -> raw.Answer:
    return raw.send(url, raw.request("GET", path, *(f"Authorization: {value}" for value in values)))


def hs(**changes: Any) -> str:
    return "Bearer " + forged(HS256, claims(**changes))


def unsigned(algorithm: str) -> str:
    return f"Bearer {encoded({'alg': algorithm})}.{encoded(claims())}."


NOW = int(time.time())
TOKENS: dict[str, Callable[[], list[str]]] = {
    "none": lambda: [],
    "empty": lambda: [""],
    "Bearer alone": lambda: ["Bearer"],
    "Basic": lambda: ["Basic " + base64.b64encode(b"ops:weelo").decode()],
    "two lines": lambda: [hs(), hs()],
    "two in one line": lambda: [f"{hs()}, {hs()}"],
    "alg none": lambda: [unsigned("none")],
    "alg NoNe": lambda: [unsigned("NoNe")],
    "alg none with a signature": lambda: ["Bearer " + forged({"alg": "none"}, claims())],
    "alg HS384": lambda: ["Bearer " + forged({"alg": "HS384"}, claims())],
    "alg RS256 signed with HMAC": lambda: ["Bearer " + forged({"alg": "RS256"}, claims())],
    "alg RS256": lambda: ["Bearer " + signed(RSA, "RS256")],
    "no signature": lambda: [hs().rpartition(".")[0] + "."],
    "another secret": lambda: ["Bearer " + forged(HS256, claims(), "x" * 40)],
    "empty secret": lambda: ["Bearer " + forged(HS256, claims(), b"")],
    "no exp": lambda: [hs(exp=NONE)],
    "no iat": lambda: [hs(iat=NONE)],
    "no sub": lambda: [hs(sub=NONE)],
    "no role": lambda: [hs(role=NONE)],
    "expired": lambda: [hs(iat=NOW - 100, exp=NOW - 1)],
    "exp as text": lambda: [hs(exp=str(NOW + 3600))],
    "exp Infinity": lambda: [hs(exp=float("inf"))],
    "exp of 400 digits": lambda: [hs(exp=10**400)],
    "over 30 days": lambda: [hs(exp=NOW + 31 * 86400)],
    "nbf in the future": lambda: [hs(nbf=NOW + 1000)],
    "iat in the future": lambda: [hs(iat=NOW + 1000)],
    "sub empty": lambda: [hs(sub="")],
    "sub a number": lambda: [hs(sub=7)],
    "sub of 65": lambda: [hs(sub="a" * 65)],
    "sub with a colon": lambda: [hs(sub="asha:1")],
    "sub with line breaks": lambda: [hs(sub="asha\r\nX-Evil: 1")],
    "role of nobody": lambda: [hs(role="root")],
    "role as a list": lambda: [hs(role=["ops"])],
    "crit": lambda: ["Bearer " + forged(HS256 | {"crit": ["exp"]}, claims())],
    "crit b64": lambda: ["Bearer " + forged(HS256 | {"crit": ["b64"], "b64": False}, claims())],
    "over 4 KB": lambda: [hs(padding="x" * 4000)],
    "not base64": lambda: ["Bearer a.b.c"],
    "five parts": lambda: ["Bearer a.b.c.d.e"],
    "deep claims": lambda: ["Bearer " + forged(HS256, "[" * 2000)],
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_token_that_is_wrong_is_401(system: System, case: str) -> None:
    refused = answer(system.urls[0], *TOKENS[case]())
    raw.assert_error(refused, 401, "UNAUTHENTICATED")


def test_the_good_ones_are_taken(system: System) -> None:
    for value in (hs(), hs(iat=NOW + 30), hs(nbf=NOW + 30), hs(sub="a" * 64), hs(jti="one")):
        assert answer(system.urls[0], value).status == 200


def test_keys_that_a_token_names_are_never_fetched_nor_opened(system: System, tmp_path: Path) -> None:
    stolen = tmp_path / "key"
    stolen.write_text("a secret that a token names itself..")
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        theirs.settimeout(0.5)
        address = f"http://127.0.0.1:{theirs.getsockname()[1]}/keys"
        for named in (
            {"jku": address},
            {"x5u": address},
            {"kid": str(stolen)},
            {"jwk": {"kty": "oct", "k": encoded(stolen.read_text())}},
        ):
            value = "Bearer " + forged(HS256 | named, claims(), stolen.read_text())
            raw.assert_error(answer(system.urls[0], value), 401, "UNAUTHENTICATED")
        with pytest.raises(TimeoutError):
            theirs.accept()


@pytest.fixture(scope="module")
def strict(system: System) -> Iterator[str]:
    """A web process with a public key, the key before it, an issuer and an audience."""
    with system.beside(
        "strict",
        JWT_PUBLIC_KEY=public_pem(RSA).replace("\n", "\\n"),
        JWT_PUBLIC_KEY_PREVIOUS=public_pem(EC).replace("\n", "\\n"),
        JWT_ISSUER="https://login.weelo.test",
        JWT_AUDIENCE="weelo",
    ) as url:
        yield url


OURS = {"iss": "https://login.weelo.test", "aud": "weelo"}
STRICT: dict[str, Callable[[], str]] = {
    "HS256 signed with the public key": lambda: forged(HS256, claims(**OURS), public_pem(RSA)),
    "RS256 in name, signed with the public key": lambda: forged(
        {"alg": "RS256"}, claims(**OURS), public_pem(RSA)
    ),
    "HS256 with the development secret": lambda: forged(HS256, claims(**OURS)),
    "PS256": lambda: signed(RSA, "PS256", **OURS),
    "another key": lambda: signed(rsa.generate_private_key(65537, 2048), "RS256", **OURS),
    "no iss": lambda: signed(RSA, "RS256", aud="weelo"),
    "wrong iss": lambda: signed(RSA, "RS256", **OURS | {"iss": "https://login.weelo.test.evil"}),
    "iss with a slash more": lambda: signed(RSA, "RS256", **OURS | {"iss": OURS["iss"] + "/"}),
    "iss as a list": lambda: signed(RSA, "RS256", **OURS | {"iss": [OURS["iss"]]}),
    "no aud": lambda: signed(RSA, "RS256", iss=OURS["iss"]),
    "wrong aud": lambda: signed(RSA, "RS256", **OURS | {"aud": "weelo2"}),
    "empty aud": lambda: signed(RSA, "RS256", **OURS | {"aud": []}),
}


@pytest.mark.parametrize("case", STRICT)
def test_a_token_that_is_wrong_is_401_where_a_key_is_configured(strict: str, case: str) -> None:
    raw.assert_error(answer(strict, "Bearer " + STRICT[case]()), 401, "UNAUTHENTICATED")


def test_tokens_of_the_key_and_of_the_one_before_it_are_taken(strict: str) -> None:
    assert answer(strict, "Bearer " + signed(RSA, "RS256", **OURS)).status == 200
    assert answer(strict, "Bearer " + signed(EC, "ES256", **OURS | {"aud": ["x", "weelo"]})).status == 200


def revoked(system: System, token: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web.identity.revoke_token"]
    return subprocess.run(
        command, cwd=ROOT, env=system.environment, input=token, capture_output=True, text=True, check=False
    )


def _refused(url: str, token: str) -> bool:
    return answer(url, f"Bearer {token}").status == 401


def test_a_token_that_is_called_back_is_refused_and_its_sockets_closed_within_5_s(
    system: System, name: str
) -> None:
    asha = Person(system.urls[0], "customer", name)
    with asha.socket(system.urls[0]) as app:
        hear(app, "connected")
        for url in system.urls[:2]:
            assert answer(url, f"Bearer {asha.token}").status == 200
        done = revoked(system, asha.token)
        begun = time.monotonic()
        assert done.returncode == 0
        assert asha.token not in done.stdout
        with suppress(ConnectionClosed):
            while True:
                app.recv(timeout=5)
        assert app.close_code == 4401
        assert time.monotonic() - begun < 5
    for url in system.urls[:2]:
        until(partial(_refused, url, asha.token), 5)
        with pytest.raises(InvalidStatus), asha.socket(url):
            pass
    other = Person(system.urls[0], "customer", name)
    assert answer(system.urls[0], f"Bearer {other.token}").status == 200


def test_revoking_what_is_no_token_says_so(system: System) -> None:
    done = revoked(system, "not a token")
    assert done.returncode == 1
    assert done.stderr.startswith("weelo: nothing to call back")
    assert "Traceback" not in done.stderr


def test_no_token_is_ever_in_a_log(system: System, name: str) -> None:
    token = issue("customer", name, timedelta(hours=1))
    for request in (
        raw.request("GET", PATH, f"Authorization: Bearer {token}"),
        raw.request("GET", f"{PATH}?token={token}"),
        raw.request("GET", f"/api/v1/ws?access_token={token}"),
        raw.request("GET", PATH, f"Authorization Bearer {token}"),
        raw.request("GET", PATH, f"Authorization: Bearer {token}\0"),
        f"GET {PATH}?token={token} HTTP/9.9\r\n\r\n".encode(),
        f"{token} / HTTP/1.1\r\n\r\n".encode(),
    ):
        assert token.encode() not in raw.send(system.urls[0], request).body
    parts = [part for part in token.split(".") if len(part) > 40]
    logs = "".join(system.log(process) for process in system.processes)
    assert not [part for part in parts if part in logs]
