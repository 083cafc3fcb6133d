"""Prints a bearer token for trying things out: ``python -m web.identity.print_token ROLE SUB [--days N]``."""

import argparse
from datetime import timedelta

from models import settings
from web.identity import tokens
from web.identity.issuing import issue


def _subject(text: str) -> str:
    if not tokens.SUBJECT.fullmatch(text):
        raise argparse.ArgumentTypeError("1 to 64 letters, digits, '_' or '-'")
    return text


def _days(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= tokens.LIFETIME.days:
        raise argparse.ArgumentTypeError(f"1 to {tokens.LIFETIME.days}")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m web.identity.print_token", description=__doc__)
    parser.add_argument("role", choices=sorted(tokens.ROLES))
    parser.add_argument("sub", type=_subject, help="the person's id")
    parser.add_argument("--days", type=_days, default=tokens.LIFETIME.days, help="lifetime (%(default)s)")
    arguments = parser.parse_args()
    if settings.load().jwt_public_key:
        parser.error("JWT_PUBLIC_KEY is set, so only the holder of its private key can issue tokens")
    print(issue(arguments.role, arguments.sub, timedelta(days=arguments.days)))


if __name__ == "__main__":
    main()
