"""Tokens as an attacker writes them: any header, any claims, any signature."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from models.settings import DEVELOPMENT_SECRET

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
# The value of a claim that is to be left out.
NONE = object()


def public_pem(key: Private) -> str:
    """A public key as the settings take it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: Private) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encoded(part: Any) -> str:
    """One part of a token: text as it is, anything else as JSON."""
    text = part if isinstance(part, str) else json.dumps(part)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def forged(header: Any, claims: Any, secret: str | bytes = DEVELOPMENT_SECRET) -> str:
    """A token with any header and claims, correctly signed with HMAC."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    key = secret if isinstance(secret, bytes) else secret.encode()
    signature = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good customer's token for the next hour, with changes."""
    now = int(time.time())
    good = {"sub": "asha", "role": "customer", "iat": now, "exp": now + 3600}
    return {name: value for name, value in (good | changes).items() if value is not NONE}


def signed(private: Private, algorithm: str, **changes: Any) -> str:
    """A token signed with a private key, as its issuer does it; the claims may be wrong."""
    content = json.dumps(claims(**changes)).encode()
    return jwt.PyJWS().encode(content, private_pem(private), algorithm)
