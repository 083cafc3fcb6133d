"""What the soak of the console calls a failure."""

import pytest

from tests.soak.__main__ import FRAMES, SLACK, Row, grown, verdict

NOTHING = {"web": 0.0, "postgres": 0.0, "redis": 0.0}


def minutes(heap: list[float], frames: float = 60.0, web: float = 0.01) -> list[Row]:
    held = [dict.fromkeys(SLACK, 10.0) | {"heap (MB)": megabytes} for megabytes in heap]
    return [Row([frames] * 6, 0.5, used, NOTHING | {"web": web}) for used in held]


def test_a_page_that_holds_more_at_the_end_is_said_to_grow() -> None:
    assert grown(minutes([9, 3, 3, 3, 3, 4, 5, 6, 7, 8])) == ["heap (MB)"]


def test_what_the_first_minute_or_one_in_the_middle_needs_is_no_growth() -> None:
    assert grown(minutes([9, 3, 3.4, 3, 8, 3, 3, 3.2, 3, 3.4])) == []


def test_a_page_as_promised_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(minutes([3] * 10), NOTHING)
    assert "the page costs the server 1.0 % of a core" in capsys.readouterr().out


def test_too_few_frames_fail() -> None:
    assert not verdict(minutes([3] * 10, frames=FRAMES - 1), NOTHING)


def test_a_tenth_of_a_core_fails_and_what_the_server_uses_anyway_does_not_count() -> None:
    assert not verdict(minutes([3] * 10, web=0.10), NOTHING)
    assert verdict(minutes([3] * 10, web=0.10), NOTHING | {"web": 0.05})
