"""A dump and a restore: what it has answers under its key, and what came later is as if it had not been."""

import gc
import os
import subprocess
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from models import db, live
from tests import scenes
from tests.conftest import NOWHERE, ROOT, process_settings
from tests.system import until
from tests.worker_at_hand import worker_at_hand
from web import create_app
from web.identity.issuing import issue
from web.wakeups import wakeups

pytestmark = pytest.mark.usefixtures("aside")


@pytest.fixture(autouse=True)
def _worker_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    worker_at_hand(monkeypatch)
    monkeypatch.setattr(wakeups, "expect", lambda order_id: nullcontext())


def post(customer: str) -> TestResponse:
    authorization = f"Bearer {issue('customer', customer, timedelta(hours=1))}"
    sent = {"Authorization": authorization, "X-Idempotency-Key": f"key-of-{customer}", "Prefer": "wait=0"}
    return create_app().test_client().post("/api/v1/orders", json=scenes.body(), headers=sent)


def backup(verb: str, file: Path, stores: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.local.backup", verb, str(file)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | stores, capture_output=True, text=True)


def restore(file: Path, stores: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A restore while this process, whose threads ask Postgres now and then, looks elsewhere."""

    def alone() -> subprocess.CompletedProcess[str] | None:
        # A connection that a thread gives back after the pool was dropped is open until it is collected.
        gc.collect()
        done = backup("restore", file, stores)
        return None if "sessions are in this database" in done.stderr else done

    db.dispose()
    with process_settings(**NOWHERE):
        done: subprocess.CompletedProcess[str] = until(alone)
    return done


def test_after_a_restore_old_keys_are_answered_and_later_ones_make_new_orders(
    other_urls: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "weelo.dump"
    first = post("asha")
    saved = backup("save", file, other_urls)
    assert saved.returncode == 0, saved.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    later = post("bela")
    assert (first.status_code, later.status_code) == (201, 201)

    refused = backup("restore", file, other_urls)
    assert "sessions are in this database" in refused.stderr
    cut = tmp_path / "cut.dump"
    cut.write_bytes(file.read_bytes()[:-2000])
    assert "is no whole backup" in restore(cut, other_urls).stderr
    assert post("bela").headers["Idempotent-Replayed"] == "true", "a refused restore has changed nothing"

    restored = restore(file, other_urls)
    assert restored.returncode == 0, restored.stderr
    assert live.commands().dbsize() == 0
    again, new = post("asha"), post("bela")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.data == first.data
    assert (new.status_code, "Idempotent-Replayed" in new.headers) == (201, False)
    assert new.headers["Location"] != later.headers["Location"]


def test_a_restore_refuses_what_is_no_backup_in_one_sentence(
    other_urls: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "weelo.dump"
    file.write_text("not a dump")
    refused = restore(file, other_urls)
    assert refused.returncode == 1
    assert refused.stderr.startswith("weelo: ")
    assert refused.stderr.count("\n") <= 2
