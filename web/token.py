"""Prints a bearer token for trying things out: ``python -m web.token ROLE SUB [--days N]``."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt

from models import settings
from web import auth


def issue(role: str, sub: str, lifetime: timedelta, now: datetime | None = None) -> str:
    """A token signed with ``JWT_SECRET``, as :func:`web.auth.verify` takes it."""
    configured = settings.load()
    issued = int((now or datetime.now(UTC)).timestamp())
    claims: dict[str, Any] = {
        "sub": sub,
        "role": role,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": uuid4().hex,
    }
    if configured.jwt_issuer:
        claims["iss"] = configured.jwt_issuer
    if configured.jwt_audience:
        claims["aud"] = configured.jwt_audience
    return jwt.encode(claims, configured.jwt_secret, algorithm="HS256")


def _subject(text: str) -> str:
    if not auth.SUBJECT.fullmatch(text):
        raise argparse.ArgumentTypeError("1 to 64 letters, digits, '_' or '-'")
    return text


def _days(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= auth.LIFETIME.days:
        raise argparse.ArgumentTypeError(f"1 to {auth.LIFETIME.days}")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m web.token", description=__doc__)
    parser.add_argument("role", choices=sorted(auth.ROLES))
    parser.add_argument("sub", type=_subject, help="the person's id")
    parser.add_argument("--days", type=_days, default=auth.LIFETIME.days, help="lifetime (%(default)s)")
    arguments = parser.parse_args()
    if settings.load().jwt_public_key:
        parser.error("JWT_PUBLIC_KEY is set, so tokens come from whoever holds its private key")
    print(issue(arguments.role, arguments.sub, timedelta(days=arguments.days)))


if __name__ == "__main__":
    main()
