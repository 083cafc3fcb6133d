"""A dump and a restore: what it has answers under its key, and what came later is as if it had not been."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from models import db, live
from tasks import orders
from tests import scenes
from tests.conftest import ROOT, Stores, forget_configuration
from tests.system import until
from web import create_app
from web.identity.issuing import issue
from web.wakeups import wakeups

pytestmark = pytest.mark.usefixtures("aside")


@pytest.fixture(autouse=True)
def _worker_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are placed in this process, before their request waits for them."""

    def place(order_ids: Sequence[str]) -> bool:
        orders.place(order_ids)
        return True

    monkeypatch.setattr(orders, "enqueue", place)
    monkeypatch.setattr(wakeups, "expect", lambda order_id: nullcontext())


def post(customer: str) -> TestResponse:
    authorization = f"Bearer {issue('customer', customer, timedelta(hours=1))}"
    sent = {"Authorization": authorization, "X-Idempotency-Key": f"key-of-{customer}", "Prefer": "wait=0"}
    return create_app().test_client().post("/api/v1/orders", json=scenes.body(), headers=sent)


def backup(verb: str, file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.local.backup", verb, str(file)]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)


def restore(file: Path) -> subprocess.CompletedProcess[str]:
    """A restore without sessions of this process, whose threads may open one again."""

    def alone() -> subprocess.CompletedProcess[str] | None:
        db.dispose()
        done = backup("restore", file)
        return None if "sessions are in this database" in done.stderr else done

    done: subprocess.CompletedProcess[str] = until(alone)
    return done


def test_after_a_restore_old_keys_are_answered_and_later_ones_make_new_orders(
    stores: Stores, other_urls: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "weelo.dump"
    first = post("asha")
    saved = backup("save", file)
    assert saved.returncode == 0, saved.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    later = post("bela")
    assert (first.status_code, later.status_code) == (201, 201)

    refused = backup("restore", file)
    assert "sessions are in this database" in refused.stderr
    cut = tmp_path / "cut.dump"
    cut.write_bytes(file.read_bytes()[:-2000])
    assert "is no whole backup" in restore(cut).stderr
    assert post("bela").headers["Idempotent-Replayed"] == "true", "a refused restore has changed nothing"

    restored = restore(file)
    assert restored.returncode == 0, restored.stderr
    forget_configuration()
    assert live.commands().dbsize() == 0
    again, new = post("asha"), post("bela")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.data == first.data
    assert (new.status_code, "Idempotent-Replayed" in new.headers) == (201, False)
    assert new.headers["Location"] != later.headers["Location"]


def test_a_restore_refuses_what_is_no_backup_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "weelo.dump"
    file.write_text("not a dump")
    refused = restore(file)
    assert refused.returncode == 1
    assert refused.stderr.startswith("weelo: ")
    assert refused.stderr.count("\n") <= 2
