"""Revoked tokens: one list in Postgres, and each process's copy of it."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models import db
from web.identity.revocations import Revocations
from web.identity.tokens import Caller, Unauthenticated
from workers import revoking

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("clean")


def caller(token_id: str) -> Caller:
    return Caller("asha", "customer", LATER, token_id)


def count() -> int:
    with db.statements() as connection:
        return int(connection.execute(text("SELECT count(*) FROM revoked_tokens")).scalar_one())


def test_a_token_called_back_twice_is_one_row() -> None:
    revoking.revoke("one", LATER)
    revoking.revoke("one", LATER)
    assert [token.token_id for token in revoking.since(None)] == ["one"]


def test_a_later_revocation_is_found_and_reported_once() -> None:
    told: list[str] = []

    def watch(token_ids: Collection[str]) -> None:
        told.extend(token_ids)

    revocations = Revocations()
    revocations.watch(watch)
    for token_id in ("one", "two"):
        revoking.revoke(token_id, LATER)
        revocations.renew()
        revocations.renew()
    assert told == ["one", "two"]
    assert revocations.knows("one")
    assert not revocations.knows("three")


def test_a_row_that_became_visible_late_is_found() -> None:
    revocations = Revocations()
    revoking.revoke("one", LATER)
    revocations.renew()
    revoking.revoke("late", LATER)
    with db.statements() as connection:
        connection.execute(
            text("UPDATE revoked_tokens SET revoked_at = now() - interval '30 s' WHERE token_id = 'late'")
        )
    revocations.renew()
    assert revocations.knows("late")


def test_the_first_caller_is_refused_already() -> None:
    revoking.revoke("one", LATER)
    revocations = Revocations()
    try:
        with pytest.raises(Unauthenticated):
            revocations.refuse(caller("one"))
        revocations.refuse(caller("two"))
    finally:
        revocations.stop()


def test_a_token_that_has_run_out_is_forgotten_everywhere() -> None:
    revoking.revoke("one", LATER)
    revoking.revoke("two", LATER + timedelta(hours=1))
    revocations = Revocations()
    revocations.renew()
    assert revocations.knows("one")
    revocations.renew(LATER + timedelta(minutes=1))
    assert not revocations.knows("one")
    assert revocations.knows("two")
    assert revoking.forget(LATER + timedelta(seconds=59)) == 0
    assert revoking.forget(LATER + timedelta(seconds=61)) == 1
    assert count() == 1
