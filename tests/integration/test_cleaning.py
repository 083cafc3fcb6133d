"""What is past its time leaves as fast as it comes, in small batches; and what no key leads to leaves too."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models import db, live
from models.live import driver_index
from tasks import sweeps
from tests import scenes
from workers import cleaning, revoking

pytestmark = pytest.mark.usefixtures("clean")

# Two minutes at a hundred orders a second.
ADMISSIONS = 12_000


def decided(count: int) -> None:
    """Admissions that were placed four days ago."""
    with db.statements() as connection:
        connection.execute(
            text("""
                INSERT INTO admissions (order_id, customer_id, idempotency_key, fingerprint, payload,
                    request_id, reply_to, state, answer_status, answer, created_at, decided_at)
                SELECT uuidv7(), 'c-' || n, 'k', '\\x00', '{}', 'past', 'nobody', 'placed', 201, '{}',
                    now() - interval '4 days', now() - interval '4 days'
                FROM generate_series(1, :count) AS n
            """),
            {"count": count},
        )


def left() -> int:
    with db.statements() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM admissions").scalar_one())


def test_two_minutes_of_admissions_are_forgotten_in_the_runs_of_two_minutes() -> None:
    decided(ADMISSIONS)
    scenes.admitted("asha")
    for _ in range(12):
        sweeps.forget()
    assert left() == 1


def test_forgetting_ends_before_another_sweep_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    decided(3 * cleaning.BATCH)
    monkeypatch.setattr(cleaning, "FORGETTING_SECONDS", 0.0)
    assert cleaning.forget_admissions() == cleaning.BATCH
    assert left() == 2 * cleaning.BATCH


def test_a_driver_whose_key_was_lost_leaves_the_index() -> None:
    scenes.driver("lost")
    scenes.driver("present")
    live.commands().delete("driver:lost")
    silent(61, "lost")
    assert cleaning.drop_silent_drivers() >= 1
    assert members() == {"present"}
    assert live.commands().zrange("drivers:heard", 0, -1) == ["truck:tata_ace|present"]


def test_the_member_that_a_driver_left_behind_when_their_key_was_lost_leaves_the_index() -> None:
    scenes.driver("one", 1)
    live.commands().delete("driver:one")
    silent(61, "one")
    scenes.driver("one", 2)
    assert live.commands().zcard("drivers:where:truck:tata_ace") == 2
    assert cleaning.drop_silent_drivers() == 1
    assert members() == {"one"}
    assert live.commands().zcard("drivers:where:truck:tata_ace") == 1


def test_more_silent_drivers_than_one_batch_leave_in_one_cleaning() -> None:
    now_ms = scenes.now_ms()
    driver_index.place_all(
        [
            driver_index.Placement(
                f"d{n}", "truck:tata_ace", driver_index.Position(28, 77, now_ms), now_ms - 61_000, now_ms
            )
            for n in range(3 * driver_index.TOGETHER + 5)
        ]
    )
    assert cleaning.drop_silent_drivers() == 3 * driver_index.TOGETHER + 5
    assert live.commands().keys("drivers:*") == []


def test_tokens_that_ran_out_leave_a_thousand_at_a_time() -> None:
    past = datetime.now(UTC) - timedelta(minutes=5)
    for number in range(3):
        revoking.revoke(f"token-{number}", past)
    assert revoking.forget() == 3


def silent(seconds: int, driver: str) -> None:
    """Makes a driver's last word so much older, in the index alone."""
    connection = live.commands()
    where, heard = "drivers:where:truck:tata_ace", "drivers:heard"
    script = """
        for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
          if string.sub(member, 25) == ARGV[1] then
            local seen = struct.unpack('<d', member, 17) - ARGV[2]
            local score = redis.call('ZSCORE', KEYS[1], member)
            redis.call('ZREM', KEYS[1], member)
            local place = string.sub(member, 1, 16)
            redis.call('ZADD', KEYS[1], score, place .. struct.pack('<d', seen) .. ARGV[1])
            redis.call('ZADD', KEYS[2], seen, 'truck:tata_ace|' .. ARGV[1])
          end
        end
    """
    connection.eval(script, 2, where, heard, driver, str(seconds * 1000))


def members() -> set[str]:
    """The drivers in the index, as its members name them."""
    (found,) = live.run_all([("ZRANGE", "drivers:where:truck:tata_ace", 0, -1)], decode=False)
    return {member[24:].decode() for member in found}
