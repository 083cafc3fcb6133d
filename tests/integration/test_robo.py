"""Robo drivers are there with the development secret alone."""

from typing import Any

import pytest

from tests import scenes
from tests.clients import Caller
from tests.conftest import process_settings
from tests.worker_at_hand import worker_at_hand

SECRET = "a secret that is nobody else's, of 40 bytes"


@pytest.mark.parametrize(
    "settings",
    [
        {"APP_ENV": "production", "JWT_SECRET": SECRET, "FLOWER_BASIC_AUTH": "ops:not-weelo"},
        {"APP_ENV": "development", "JWT_SECRET": SECRET},
        {"APP_ENV": "test"},
    ],
    ids=["production", "own secret", "test"],
)
@pytest.mark.usefixtures("clean")
def test_elsewhere_the_header_is_ignored(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    worker_at_hand(monkeypatch)
    with process_settings(**settings):
        answer: Any = Caller("customer", "asha").post("/orders", scenes.body(), X_Weelo_Test="nonsense")
    assert answer.status_code == 201
    assert answer.json["data"]["broadcastSummary"]["totalDriversNotified"] == 0
