"""What every route answers while a store is away: never a mistake of ours, and always when to come again."""

import pytest

from tests import scenes
from tests.clients import Caller, code
from tests.conftest import forget_configuration
from web import create_app


def test_a_position_that_redis_cannot_take_is_to_be_sent_again(aside: pytest.MonkeyPatch) -> None:
    ravi = Caller("driver", scenes.driver("ravi"))
    here = {"locations": [{"latitude": 28.54, "longitude": 77.39}]}
    assert ravi.post("/drivers/me/locations", here).status_code == 200
    aside.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    forget_configuration()
    refused = ravi.post("/drivers/me/locations", here)
    assert code(refused) == (503, "SERVICE_UNAVAILABLE")
    assert refused.headers["Retry-After"] == "2"


@pytest.mark.parametrize("path", ["overview", "orders"])
def test_operators_see_what_postgres_knows_while_redis_is_away(aside: pytest.MonkeyPatch, path: str) -> None:
    aside.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    forget_configuration()
    assert Caller("ops", "olga").get(f"/ops/{path}").status_code == 200


def test_without_postgres_operators_get_503_and_a_retry_after(aside: pytest.MonkeyPatch) -> None:
    aside.setenv("DATABASE_URL", "postgresql://weelo@127.0.0.1:1/weelo")
    forget_configuration()
    refused = Caller("ops", "olga").get("/ops/overview")
    assert code(refused) == (503, "SERVICE_UNAVAILABLE")


def test_the_question_of_balancers_fails_only_where_postgres_cannot_be_reached(
    aside: pytest.MonkeyPatch,
) -> None:
    client = create_app().test_client()
    assert client.get("/ready").status_code == 503, "no worker, no beat"
    assert client.get("/ready/web").json == {"success": True, "data": {"postgres": "ok"}}
    aside.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    forget_configuration()
    answer = client.get("/ready/web")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert client.get("/health").status_code == 200
