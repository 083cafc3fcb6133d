"""A worker for tests without one."""

from collections.abc import Sequence

import pytest

from tasks import orders


def worker_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on orders are placed in this process, before their request waits for them."""

    def place(order_ids: Sequence[str]) -> bool:
        orders.place(order_ids)
        return True

    monkeypatch.setattr(orders, "enqueue", place)
