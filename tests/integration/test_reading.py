"""Round trips to Redis when it is away, is back, or has forgotten its scripts."""

from typing import Any

import pytest
import redis

from models import live

pytestmark = pytest.mark.usefixtures("redis_url")


def commands() -> Any:
    """The client, whose types would have everything awaitable."""
    return live.commands()


def test_a_connection_that_redis_has_closed_is_replaced_without_an_error(redis_url: str) -> None:
    assert live.run_all([("ECHO", "here")], decode=False) == [b"here"]
    with redis.Redis.from_url(redis_url) as other:
        other.client_kill_filter(_type="normal", skipme=True)
    assert live.run_all([("ECHO", "here")], decode=False) == [b"here"]
    assert not live.breaker.is_open


def test_a_script_that_redis_has_forgotten_is_loaded_again() -> None:
    call = live.Call(commands().register_script("return ARGV[1]"), ["key"], ["known"])
    commands().script_flush()
    assert live.run_all([("ECHO", "here"), call, call], decode=False) == [b"here", b"known", b"known"]


def test_an_error_is_raised_and_leaves_no_answer_behind() -> None:
    with pytest.raises(redis.ResponseError):
        live.run_all([("PING",), ("NONSENSE",), ("ECHO", "left")])
    assert live.run_all([("ECHO", "here")], decode=False) == [b"here"]


def test_while_the_breaker_is_open_nobody_connects() -> None:
    commands().connection_pool.disconnect()
    live.breaker.trip()
    with pytest.raises(redis.ConnectionError, match="not tried again yet"):
        live.run_all([("PING",)])


def test_a_redis_that_does_not_answer_is_waited_for_once(redis_url: str) -> None:
    assert live.run_all([("ECHO", "here")], decode=False) == [b"here"]
    with redis.Redis.from_url(redis_url) as other:
        other.client_pause(900)
        # A second attempt would find it awake.
        with pytest.raises(redis.TimeoutError):
            live.run_all([("PING",)])
        assert live.breaker.is_open
        other.client_unpause()
