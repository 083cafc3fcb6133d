"""Answers that a process repeats from its own memory."""

import time

import pytest
from flask import Response

from web.answered import LONGEST, MOST, Answered

BODY = b'{"distanceKm": 25}'


def keep(kept: Answered, key: str, body: bytes = BODY, content: bytes = b"{}") -> None:
    kept.keep("asha", key, body, "o", Response(content, 201))


def test_an_answer_is_found_by_its_customer_and_key_only() -> None:
    kept = Answered()
    keep(kept, "k")
    given = kept.find("asha", "k", BODY)
    assert given
    assert (given.order_id, given.status, given.content) == ("o", 201, b"{}")
    assert kept.find("bina", "k", BODY) is None
    assert kept.find("asha", "l", BODY) is None


def test_other_bytes_are_for_others_to_compare() -> None:
    kept = Answered()
    keep(kept, "k")
    assert kept.find("asha", "k", b'{"distanceKm": 26}') is None
    assert kept.find("asha", "k", b'{"distanceKm":25}') is None
    keep(kept, "k", b'{"distanceKm":25}')
    assert kept.find("asha", "k", b'{"distanceKm":25}')


def test_it_is_forgotten_when_redis_would_forget_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Answered()
    keep(kept, "k")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 299)
    assert kept.find("asha", "k", BODY)
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)
    assert kept.find("asha", "k", BODY) is None


def test_so_many_are_kept_and_none_that_is_long() -> None:
    kept = Answered()
    for number in range(MOST + 1):
        keep(kept, str(number))
    assert kept.find("asha", "0", BODY) is None
    assert kept.find("asha", "1", BODY)
    keep(kept, "long", content=b"x" * (LONGEST + 1))
    assert kept.find("asha", "long", BODY) is None
