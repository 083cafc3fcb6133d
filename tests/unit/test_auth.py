"""Tokens: what is let in, and the long list of what is not (RFC 8725)."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from werkzeug.datastructures import Headers

from models import settings
from tests.conftest import ROOT
from tests.forging import NONE, encoded, forged, private_pem, public_pem
from web.identity import issuing, keys, tokens
from web.identity.tokens import Caller, Unauthenticated

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CLAIMS = {"sub": "asha", "role": "customer", "iat": SECONDS, "exp": SECONDS + 3600}
SECRET = settings.DEVELOPMENT_SECRET

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def signed(**changes: Any) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not NONE}
    return forged({"alg": "HS256", "typ": "JWT"}, claims)


def refused(text: str) -> bool:
    try:
        tokens.verify(text, NOW)
    except Unauthenticated as error:
        return error.code == "UNAUTHENTICATED"
    return False


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Lets a test change the environment; the settings are read again before and after it."""
    for cached in (settings.load, keys.usable):
        cached.cache_clear()
    yield monkeypatch
    for cached in (settings.load, keys.usable):
        cached.cache_clear()


def test_a_good_token_names_its_caller() -> None:
    assert tokens.verify(signed(), NOW) == Caller("asha", "customer", NOW + timedelta(hours=1))


def test_times_may_have_fractions() -> None:
    assert tokens.verify(signed(exp=SECONDS + 0.5), NOW).sub == "asha"


@pytest.mark.parametrize("value", [NONE, None, "", True, [], {}])
@pytest.mark.parametrize("name", ["exp", "iat", "sub", "role"])
def test_required_claims_are_there_and_of_their_type(name: str, value: Any) -> None:
    assert refused(signed(**{name: value}))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_time_written_as_text_is_refused(name: str) -> None:
    assert refused(signed(**{name: str(CLAIMS.get(name, SECONDS))}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": SECONDS - 100, "exp": SECONDS},
        {"iat": SECONDS - 100, "exp": SECONDS - 0.001},
        {"exp": SECONDS},
        {"exp": SECONDS - 1},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"exp": SECONDS + 30 * 86400 + 1},
        {"iat": SECONDS + 61, "exp": SECONDS + 3600},
        {"iat": SECONDS - 31 * 86400},
        {"iat": float("-inf")},
        {"iat": SECONDS + 30, "exp": SECONDS + 20},
        {"nbf": SECONDS + 61},
        {"nbf": "soon"},
        {"nbf": None},
        {"sub": 7},
        {"sub": "a" * 65},
        {"sub": "asha:1"},
        {"sub": "asha\n"},
        {"sub": "as ha"},
        {"sub": "āsha"},
        {"role": "admin"},
        {"role": ["ops"]},
        {"role": "Ops"},
    ],
)
def test_claims_out_of_bounds_are_refused(changes: dict[str, Any]) -> None:
    assert refused(signed(**changes))


@pytest.mark.parametrize(
    "changes",
    [{"iat": SECONDS + 60}, {"nbf": SECONDS + 60}, {"exp": SECONDS + 30 * 86400}, {"sub": "a" * 64}],
)
def test_claims_just_within_bounds_are_taken(changes: dict[str, Any]) -> None:
    assert tokens.verify(signed(**changes), NOW)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "NoNe"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": ["HS256"]},
        {"alg": None},
        {},
        [],
        "HS256",
        {"alg": "HS256", "crit": ["exp"], "exp": 1},
        {"alg": "HS256", "crit": ["b64"], "b64": False},
        {"alg": "HS256", "crit": ["b64"], "b64": True},
        {"alg": "HS256", "kid": {"a": 1}},
        "[" * 2500,
        '{"alg":"HS256","x":' + "[" * 2500,
    ],
)
def test_headers_other_than_ours_are_refused(header: Any) -> None:
    assert refused(forged(header, CLAIMS))


@pytest.mark.parametrize("claims", ["[]", '"asha"', "null", "", "{", "[" * 2500])
def test_payloads_that_are_no_object_are_refused(claims: str) -> None:
    assert refused(forged({"alg": "HS256"}, claims))


def test_an_unsigned_or_changed_token_is_refused() -> None:
    header, claims, signature = signed().split(".")
    assert refused(f"{header}.{claims}.")
    assert refused(f"{header}.{encoded(CLAIMS | {'sub': 'bela'})}.{signature}")
    assert refused(forged({"alg": "HS256"}, CLAIMS, "another secret of thirty-two bytes."))
    assert refused(signed() + ".x")
    assert refused("\ud800")
    assert refused("")


def test_keys_named_in_the_header_are_never_looked_at() -> None:
    header = {"alg": "HS256", "kid": "../../dev/null", "jku": "http://127.0.0.1:1/", "jwk": {"kty": "oct"}}
    assert tokens.verify(forged(header, CLAIMS), NOW).sub == "asha"
    assert refused(forged(header, CLAIMS, b""))


def test_a_token_over_4_kb_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "SIGNATURES", None)
    assert refused(signed(padding="x" * 4096))


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256")])
def test_a_public_key_decides_the_one_algorithm(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("JWT_PUBLIC_KEY", public_pem(key).replace("\n", "\\n"))
    private = private_pem(key)
    assert tokens.verify(jwt.encode(CLAIMS, private, algorithm), NOW).sub == "asha"
    assert refused(signed())
    # The classic confusion: the public key, known to all, taken for an HMAC secret.
    assert refused(forged({"alg": "HS256"}, CLAIMS, public_pem(key)))
    assert refused(forged({"alg": algorithm}, CLAIMS, public_pem(key)))


OTHER = "another secret of thirty-two bytes."


def test_the_secret_before_this_one_is_still_taken_and_no_other(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("JWT_SECRET", OTHER)
    assert refused(signed())
    settings.load.cache_clear()
    keys.usable.cache_clear()
    configured.setenv("JWT_SECRET_PREVIOUS", SECRET)
    assert tokens.verify(signed(), NOW).sub == "asha"
    assert tokens.verify(forged({"alg": "HS256"}, CLAIMS, OTHER), NOW).sub == "asha"
    assert refused(forged({"alg": "HS256"}, CLAIMS, "a third secret of thirty-two bytes.."))


def test_each_of_two_public_keys_has_its_own_algorithm(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("JWT_PUBLIC_KEY", public_pem(EC))
    configured.setenv("JWT_PUBLIC_KEY_PREVIOUS", public_pem(RSA))
    assert tokens.verify(jwt.encode(CLAIMS, private_pem(EC), "ES256"), NOW).sub == "asha"
    assert tokens.verify(jwt.encode(CLAIMS, private_pem(RSA), "RS256"), NOW).sub == "asha"
    assert refused(jwt.encode(CLAIMS, private_pem(RSA), "PS256"))
    assert refused(jwt.encode(CLAIMS, private_pem(rsa.generate_private_key(65537, 2048)), "RS256"))
    assert refused(signed())
    for key in (EC, RSA):
        assert refused(forged({"alg": "HS256"}, CLAIMS, public_pem(key)))


def test_a_token_is_known_by_its_jti_or_by_what_it_signs() -> None:
    assert tokens.verify(signed(jti="one"), NOW).token_id == "one"
    named = tokens.verify(signed(), NOW).token_id
    assert named.startswith("sha256:")
    assert (
        named == tokens.verify(signed(), NOW).token_id != tokens.verify(signed(exp=SECONDS + 1), NOW).token_id
    )


@pytest.mark.parametrize("jti", ["", 7, None, ["one"], "o" * 256, "one\n", "ōne", "o n e"])
def test_a_jti_that_could_not_be_revoked_is_refused(jti: Any) -> None:
    assert refused(signed(jti=jti))


WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505


@pytest.mark.parametrize(
    "key", ["not a key", public_pem(ec.generate_private_key(ec.SECP384R1())), public_pem(WEAK)]
)
def test_an_unusable_public_key_ends_the_process_with_a_sentence(
    key: str, configured: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured.setenv("JWT_PUBLIC_KEY", key)
    with pytest.raises(SystemExit):
        keys.usable()
    assert "JWT_PUBLIC_KEY" in capsys.readouterr().err


@pytest.mark.parametrize("issuer", [NONE, "them", ["us"], {"us": 1}, None])
def test_the_issuer_must_be_ours_where_one_is_configured(issuer: Any, configured: pytest.MonkeyPatch) -> None:
    configured.setenv("JWT_ISSUER", "us")
    assert refused(signed(iss=issuer))
    assert tokens.verify(signed(iss="us"), NOW)


@pytest.mark.parametrize("audience", [NONE, "them", [], ["them"], {"us": 1}, "usa"])
def test_the_audience_must_name_us_where_one_is_configured(
    audience: Any, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("JWT_AUDIENCE", "us")
    assert refused(signed(aud=audience))
    assert tokens.verify(signed(aud=["them", "us"]), NOW)
    assert tokens.verify(signed(aud="us"), NOW)


def fresh() -> str:
    return issuing.issue("driver", "dev", timedelta(hours=1))


def test_a_request_names_its_caller_in_one_bearer_header() -> None:
    assert tokens.of_request(Headers({"Authorization": f"Bearer {fresh()}"})).sub == "dev"
    assert tokens.of_request(Headers({"Authorization": f"bearer {fresh()}"})).sub == "dev"


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        ["Basic b3BzOndlZWxv"],
        ["Token {0}"],
        ["{0}"],
        ["Bearer {0}."],
        ["Bearer {0} {0}"],
        ["Bearer {0},Bearer {0}"],
        ["Bearer {0}", "Bearer {0}"],
    ],
)
def test_any_other_authorization_is_refused(values: list[str]) -> None:
    # As the server hands repeated lines over.
    headers = Headers({"Authorization": ",".join(values).format(fresh())} if values else {})
    with pytest.raises(Unauthenticated):
        tokens.of_request(headers)


def test_a_token_that_was_taken_is_refused_once_it_has_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = Headers({"Authorization": f"Bearer {fresh()}"})
    expires = tokens.of_request(headers).expires_at

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Later":
            return cls.fromtimestamp(expires.timestamp(), tz)

    monkeypatch.setattr(tokens, "datetime", Later)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.of_request(headers)


def test_so_many_tokens_are_remembered_and_none_that_is_refused() -> None:
    assert tokens.named_in.cache_info().maxsize == tokens.MOST_TOKENS
    tokens.named_in.cache_clear()
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            tokens.of_request(Headers({"Authorization": "Bearer a.b.c"}))
    assert tokens.named_in.cache_info().currsize == 0


def test_a_browser_names_its_caller_in_the_subprotocols() -> None:
    assert tokens.of_socket(Headers({"Sec-WebSocket-Protocol": f"bearer, {fresh()}"})).sub == "dev"
    assert tokens.of_socket(Headers({"Authorization": f"Bearer {fresh()}"})).sub == "dev"


@pytest.mark.parametrize("value", ["bearer", "bearer, ", "{0}", "{0}, bearer", "bearer, {0}, {0}", "chat"])
def test_any_other_subprotocols_are_refused(value: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.of_socket(Headers({"Sec-WebSocket-Protocol": value.format(fresh())}))


def test_two_tokens_in_two_places_are_refused() -> None:
    headers = Headers({"Sec-WebSocket-Protocol": f"bearer, {fresh()}", "Authorization": f"Bearer {fresh()}"})
    with pytest.raises(Unauthenticated):
        tokens.of_socket(headers)


def printed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "web.identity.print_token", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_command_prints_a_token_that_is_taken(configured: pytest.MonkeyPatch) -> None:
    done = printed("ops", "olga", "--days", "2", JWT_ISSUER="us", JWT_AUDIENCE="weelo")
    configured.setenv("JWT_ISSUER", "us")
    configured.setenv("JWT_AUDIENCE", "weelo")
    caller = tokens.verify(done.stdout.strip())
    # The launcher prints everything that the command writes.
    assert done.stderr == ""
    assert (caller.sub, caller.role) == ("olga", "ops")
    assert caller.expires_at > datetime.now(UTC) + timedelta(days=1, hours=23)


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["admin", "asha"], {}, "admin"),
        (["customer", "a:b"], {}, "letters"),
        (["customer", "asha", "--days", "31"], {}, "30"),
        (["customer", "asha"], {"JWT_PUBLIC_KEY": public_pem(EC)}, "JWT_PUBLIC_KEY"),
    ],
)
def test_the_command_says_what_it_cannot_do(
    arguments: list[str], environment: dict[str, str], says: str
) -> None:
    done = printed(*arguments, **environment)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
