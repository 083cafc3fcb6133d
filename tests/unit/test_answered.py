"""Answers that a process repeats from its own memory."""

import time

import pytest

from web.answered import LONGEST, MOST, Answered
from workers.admitting import Admission


def an_answer(text: str = "{}") -> Admission:
    return Admission("o", b"mark", "placed", None, 201, text)


def test_an_answer_is_found_by_its_customer_and_key_only() -> None:
    kept, answer = Answered(), an_answer()
    kept.keep("asha", "k", answer)
    assert kept.find("asha", "k") == answer
    assert kept.find("bina", "k") is None
    assert kept.find("asha", "l") is None


def test_it_is_forgotten_when_redis_would_forget_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Answered()
    kept.keep("asha", "k", an_answer())
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 299)
    assert kept.find("asha", "k")
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)
    assert kept.find("asha", "k") is None


def test_so_many_are_kept_and_none_that_is_long() -> None:
    kept = Answered()
    for number in range(MOST + 1):
        kept.keep("asha", str(number), an_answer())
    assert kept.find("asha", "0") is None
    assert kept.find("asha", "1")
    kept.keep("asha", "long", an_answer("x" * (LONGEST + 1)))
    assert kept.find("asha", "long") is None
