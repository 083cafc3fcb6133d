"""The keys that verify tokens: one family of algorithms, and each key with its own algorithm only."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from models import settings

# Tells gunicorn's master that starting the worker again would not help.
CANNOT_START = 3

# 112 bits of strength, the least that NIST SP 800-131A still allows.
MINIMUM_RSA_BITS = 2048


@dataclass(frozen=True)
class Key:
    """A key and the one algorithm it is for (RFC 8725, 3.1)."""

    algorithm: str
    key: Any


@lru_cache(maxsize=1)
def usable() -> tuple[Key, ...]:
    """The key in use, then the one before it while tokens of both are valid.

    Ends the process with a message if a key cannot be used.
    """
    configured = settings.load()
    if configured.jwt_public_key:
        given = {
            "JWT_PUBLIC_KEY": configured.jwt_public_key,
            "JWT_PUBLIC_KEY_PREVIOUS": configured.jwt_public_key_previous,
        }
        return tuple(_public(name, pem) for name, pem in given.items() if pem)
    secrets = (configured.jwt_secret, configured.jwt_secret_previous)
    return tuple(Key("HS256", secret) for secret in secrets if secret)


def _public(name: str, pem: str) -> Key:
    try:
        key = load_pem_public_key(pem.replace("\\n", "\n").encode())
    except ValueError:
        key = None
    if isinstance(key, RSAPublicKey) and key.key_size >= MINIMUM_RSA_BITS:
        return Key("RS256", key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return Key("ES256", key)
    print(
        f"weelo: {name} must be an RSA (2048 bits or more) or P-256 public key in PEM.",
        file=sys.stderr,
    )
    raise SystemExit(CANNOT_START)
