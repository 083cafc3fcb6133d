"""Calling tokens back, and finding what was called back: Postgres has the one list."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from models import db

REVOKE = text("""
    INSERT INTO revoked_tokens (token_id, expires_at) VALUES (:token_id, :expires_at)
    ON CONFLICT (token_id) DO NOTHING
""")
# A row is visible a moment after its time, when its transaction is over: so a minute is read twice.
# And it stays for a minute after its token, since the clock of a process that checks tokens may be behind.
SINCE = text("""
    SELECT token_id, expires_at, revoked_at FROM revoked_tokens
    WHERE expires_at > now() - interval '1 minute'
        AND revoked_at > coalesce(CAST(:moment AS timestamptz) - interval '1 minute', '-infinity')
    ORDER BY revoked_at
""")
FORGET = text("""
    DELETE FROM revoked_tokens WHERE token_id = ANY(ARRAY(
        SELECT token_id FROM revoked_tokens
        WHERE expires_at < coalesce(:now, now()) - interval '1 minute' ORDER BY expires_at LIMIT 1000
    ))
""")


@dataclass(frozen=True, slots=True)
class Revoked:
    """One token that was called back, named by its id."""

    token_id: str
    expires_at: datetime
    revoked_at: datetime


def revoke(token_id: str, expires_at: datetime) -> None:
    """Calls a token back, for good: from the commit on no process takes it for more than a few seconds."""
    with db.statements() as connection:
        connection.execute(REVOKE, {"token_id": token_id, "expires_at": expires_at})


def since(moment: datetime | None) -> list[Revoked]:
    """What was called back after this moment and has not run out, oldest first; some of it again."""
    with db.statements() as connection:
        return [Revoked(*row) for row in connection.execute(SINCE, {"moment": moment})]


def forget(now: datetime | None = None) -> int:
    """Deletes the rows of tokens that have run out, a thousand at a time; how many."""
    with db.statements() as connection:
        return connection.execute(FORGET, {"now": now}).rowcount
