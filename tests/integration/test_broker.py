"""What the broker does with the tasks of a worker that was killed."""

from typing import Any

import pytest
from kombu.transport.redis import Mutex

from models import live, settings
from tasks import app

pytestmark = pytest.mark.usefixtures("clean")


def test_a_worker_killed_while_it_restores_tasks_delays_the_others_for_seconds_only() -> None:
    # Named here: the app keeps the address that it read first, which other tests may have caused.
    with app.connection_for_read(settings.load().broker_url) as connection:
        channel: Any = connection.default_channel
        with Mutex(live.commands(), channel.unacked_mutex_key, channel.unacked_mutex_expire):
            left: Any = live.commands().ttl(channel.unacked_mutex_key)
            assert 0 < left <= 5
