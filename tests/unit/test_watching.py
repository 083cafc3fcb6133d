"""What is noted of people who are watched: how long, how much, and nothing private."""

import time

import orjson
import pytest

from web.http import watching
from web.http.watching import Watching, shown


def test_nothing_private_is_shown_at_any_depth() -> None:
    sent = {
        "drivers": [{"name": "Ravi", "phone": "+911234567890"}],
        "drop": {"address": "Delhi", "latitude": 28},
    }
    assert orjson.loads(shown(orjson.dumps(sent))) == {
        "drivers": [{"name": "(hidden)", "phone": "(hidden)"}],
        "drop": {"address": "(hidden)", "latitude": 28},
    }


@pytest.mark.parametrize("letter", ["a", "ä", "\N{SLIGHTLY SMILING FACE}"])
def test_a_long_text_is_cut_between_letters(letter: str) -> None:
    text = shown(orjson.dumps({"goods": letter * 3000}))
    assert text.endswith(f"{letter}…")
    assert watching.LONGEST_TEXT_BYTES - 8 < len(text.encode()) < watching.LONGEST_TEXT_BYTES + 8


@pytest.mark.parametrize(
    "raw", [b'{"phone": "+91', b"\xff\xfe", b"[" * 5000, b'{"a":' * 1000 + b"1" + b"}" * 1000]
)
def test_of_what_cannot_be_read_only_the_length_is_shown(raw: bytes) -> None:
    assert shown(raw) == f"{len(raw)} bytes that are no JSON to show"


def test_a_watch_ends_after_a_minute_and_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.0)
    found = Watching()
    found.renew("driver:ravi")
    found.stop()
    assert found.people == {}


def test_of_too_many_people_those_who_were_looked_at_last_are_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "MOST_PEOPLE", 2)
    found = Watching()
    for person in ("driver:a", "driver:b", "driver:a", "driver:c"):
        found.renew(person)
    assert list(found.people) == ["driver:a", "driver:c"]
    assert found.forget_ended(time.monotonic())
    assert not found.forget_ended(time.monotonic() + watching.WATCH_SECONDS + 1)
    found.stop()
