"""Counts that the processes of one web server share: exact, bounded, and gone with the last of them."""

import os
from mmap import mmap

import pytest

from web.traffic import BUCKETS, OWN_BYTES, UNMATCHED, Board

SHOW = ("GET", "/api/v1/orders/<order_id>")


def board(memory: mmap | None = None, slot: int = 0, slots: int = 1) -> Board:
    made = Board()
    if memory is not None:
        made.share(memory, slot, slots)
    made.lay_out({SHOW, ("POST", "/api/v1/orders")})
    return made


def test_a_request_is_counted_under_its_route_its_status_and_its_bucket() -> None:
    one = board()
    one.count(SHOW, 200, 0.02)
    one.count(SHOW, 404, 0.02)
    one.count(SHOW, 200, 60.0)
    ((row, statuses, buckets, seconds),) = one.rows()
    assert row == SHOW
    assert statuses == {200: 2, 404: 1}
    assert buckets[BUCKETS.index(0.025)] == 2
    assert buckets[-1] == 1
    assert sum(buckets) == 3
    assert seconds == pytest.approx(60.04)


def test_what_is_unknown_is_counted_together() -> None:
    one = board()
    one.count(("BREW", "/teapot/7"), 418, 0.1)
    one.count(("BREW", "/teapot/8"), 419, 0.1)
    assert [(row, statuses) for row, statuses, _, _ in one.rows()] == [(UNMATCHED, {0: 2})]


def test_every_process_tells_of_all() -> None:
    memory = mmap(-1, 2 * OWN_BYTES)
    child = os.fork()
    if not child:
        other = board(memory, 1, 2)
        other.count(SHOW, 200, 0.01)
        other.connected("driver", +1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    one = board(memory, 0, 2)
    one.count(SHOW, 200, 0.01)
    one.connected("customer", +1)
    assert [statuses for _, statuses, _, _ in one.rows()] == [{200: 2}]
    assert one.sockets() == {"customer": 1, "driver": 1}


def test_what_a_limit_let_through_is_counted_by_limit_over_all_processes_and_never_falls() -> None:
    memory = mmap(-1, 2 * OWN_BYTES)
    one, other = board(memory, 0, 2), board(memory, 1, 2)
    one.let_through("reads")
    other.let_through("reads")
    other.let_through("orders")
    one.count(SHOW, 200, 0.01)
    new = board(memory, 1, 2)
    assert new.uncounted() == {"orders": 1, "reads": 2}
    assert new.sockets() == {"customer": 0, "driver": 0}
    assert [statuses for _, statuses, _, _ in new.rows()] == [{200: 1}]


def test_a_new_process_goes_on_counting_where_the_dead_one_ended_but_has_none_of_its_sockets() -> None:
    memory = mmap(-1, OWN_BYTES)
    dead = board(memory)
    dead.count(SHOW, 200, 0.01)
    dead.connected("driver", +1)
    new = board(memory)
    new.count(SHOW, 200, 0.01)
    assert [statuses for _, statuses, _, _ in new.rows()] == [{200: 2}]
    assert new.sockets() == {"customer": 0, "driver": 0}


def test_more_routes_than_there_is_room_for_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="room for"):
        Board().lay_out({("GET", str(number)) for number in range(10_000)})
