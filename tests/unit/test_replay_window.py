"""Choosing the part of the recording that is replayed."""

import pytest

from tools.replay.reading import InputProblem, moment
from tools.replay.window import Span, choose, span_of

DAY = Span(moment("2008-05-21T00:00:03Z"), moment("2008-05-21T23:59:59Z"))
AFTERNOON = Span(moment("2008-05-21T17:00:03Z"), moment("2008-05-21T18:29:36Z"))
TWO_DAYS = Span(moment("2008-05-21T16:30:00Z"), moment("2008-05-23T05:00:00Z"))
NIGHT = Span(moment("2008-05-21T22:00:00Z"), moment("2008-05-22T04:00:00Z"))


def test_the_default_is_where_the_files_overlap_with_the_last_record_in_it() -> None:
    assert choose(DAY, AFTERNOON) == Span(AFTERNOON.begins, AFTERNOON.ends + 1)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("17:00", "18:00"),
        ("2008-05-21T17:00", "2008-05-21T18:00:00Z"),
        ("2008-05-21 19:00+02:00", "18:00:00"),
        ("22:30+05:30", "23:30+05:30"),
    ],
)
def test_a_time_is_meant_with_or_without_date_and_offset(start: str, end: str) -> None:
    assert choose(DAY, DAY, start, end) == Span(moment("2008-05-21T17:00Z"), moment("2008-05-21T18:00Z"))


def test_a_time_a_little_before_the_first_record_means_that_day() -> None:
    assert choose(DAY, AFTERNOON, "17:00", "18:00").begins == AFTERNOON.begins
    assert choose(TWO_DAYS, TWO_DAYS, "16:00", "17:00").ends == moment("2008-05-21T17:00Z")


def test_a_time_after_midnight_is_found_on_the_second_day() -> None:
    assert choose(NIGHT, NIGHT, "01:00", "02:00").begins == moment("2008-05-22T01:00Z")
    assert choose(NIGHT, NIGHT, "23:00", "01:00").ends == moment("2008-05-22T01:00Z")


def test_twenty_four_o_clock_is_the_end_of_the_day() -> None:
    assert choose(DAY, DAY, "23:00", "24:00").begins == moment("2008-05-21T23:00Z")
    assert choose(TWO_DAYS, TWO_DAYS, "23:00", "24:00").ends == moment("2008-05-22T00:00Z")


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        ("2008-05-20T17:00", "2008-05-20T18:00", "lies outside the time that both files cover"),
        ("18:00", "2008-05-21T17:30", r"TO=2008-05-21T17:30 is before FROM=18:00\.$"),
        ("18:00", "17:30", r"TO=17:30 is before FROM=18:00\.$"),
        ("", "16:00", r"TO=16:00 is before FROM=2008-05-21 17:00:03\.$"),
        ("3pm", "", "FROM=3pm is not a time such as 17:00"),
        ("", "25:00", "TO=25:00 is not a time such as 17:00"),
    ],
)
def test_a_window_with_nothing_in_it_is_one_sentence(start: str, end: str, sentence: str) -> None:
    with pytest.raises(InputProblem, match=sentence):
        choose(DAY, AFTERNOON, start, end)


def test_files_of_different_days_do_not_overlap() -> None:
    with pytest.raises(InputProblem, match=r"do not overlap in time\.$"):
        choose(Span(0, 10), AFTERNOON)


def test_a_file_without_a_usable_row_is_one_sentence() -> None:
    with pytest.raises(InputProblem, match="no usable trip"):
        choose(None, AFTERNOON)
    with pytest.raises(InputProblem, match="no usable ping"):
        choose(DAY, None)


def test_a_span_is_found_in_any_order() -> None:
    assert span_of([3.0, 1.0, 2.0]) == Span(1.0, 3.0)
    assert span_of([]) is None
