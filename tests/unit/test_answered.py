"""Answers that a process repeats from its own memory."""

import time

import pytest

from web.answered import LONGEST, MOST, Answered
from workers.admitting import Admission

BODY = b'{"distanceKm": 25}'


def an_answer(text: str = "{}") -> Admission:
    return Admission("o", b"mark", "placed", None, 201, text)


def test_an_answer_is_found_by_its_customer_and_key_only() -> None:
    kept, answer = Answered(), an_answer()
    kept.keep("asha", "k", BODY, answer)
    assert kept.find("asha", "k", BODY) == answer
    assert kept.find("bina", "k", BODY) is None
    assert kept.find("asha", "l", BODY) is None


def test_other_bytes_are_for_others_to_compare() -> None:
    kept, answer = Answered(), an_answer()
    kept.keep("asha", "k", BODY, answer)
    assert kept.find("asha", "k", b'{"distanceKm": 26}') is None
    assert kept.find("asha", "k", b'{"distanceKm":25}') is None
    kept.keep("asha", "k", b'{"distanceKm":25}', answer)
    assert kept.find("asha", "k", b'{"distanceKm":25}') == answer


def test_it_is_forgotten_when_redis_would_forget_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Answered()
    kept.keep("asha", "k", BODY, an_answer())
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 299)
    assert kept.find("asha", "k", BODY)
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)
    assert kept.find("asha", "k", BODY) is None


def test_so_many_are_kept_and_none_that_is_long() -> None:
    kept = Answered()
    for number in range(MOST + 1):
        kept.keep("asha", str(number), BODY, an_answer())
    assert kept.find("asha", "0", BODY) is None
    assert kept.find("asha", "1", BODY)
    kept.keep("asha", "long", BODY, an_answer("x" * (LONGEST + 1)))
    assert kept.find("asha", "long", BODY) is None
