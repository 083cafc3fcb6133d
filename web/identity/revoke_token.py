"""Revokes a token: ``python -m web.identity.revoke_token < token``.

It is read from standard input, since a command's arguments are visible to every account of the machine.
"""

import sys

from sqlalchemy.exc import SQLAlchemyError

from models import db
from web.identity import tokens
from workers import revoking


def main() -> None:
    """Exits with 1 and a message if the token is not valid anyway, or cannot be stored."""
    try:
        caller = tokens.verify(sys.stdin.read().strip())
        revoking.revoke(caller.token_id, caller.expires_at)
    except tokens.Unauthenticated as error:
        sys.exit(f"weelo: nothing to call back: {error.message}")
    except SQLAlchemyError as error:
        if not db.unreachable(error):
            raise
        sys.exit("weelo: Postgres does not answer, so nothing was called back.")
    print(f"called back: the token {caller.token_id} of {caller.role} {caller.sub}")


if __name__ == "__main__":
    main()
