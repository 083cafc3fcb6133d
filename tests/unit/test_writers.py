"""Threads for work that may wait."""

import threading
import time

from tests.system import until
from web.writers import KEPT, Writers


def alive(before: set[threading.Thread]) -> int:
    return len(set(threading.enumerate()) - before)


def test_work_that_is_stuck_holds_up_no_other_and_few_threads_stay() -> None:
    before, writers, go_on = set(threading.enumerate()), Writers(), threading.Event()
    for _ in range(KEPT + 10):
        writers.start(go_on.wait)
    done = threading.Event()
    writers.start(done.set)
    assert done.wait(5)
    assert alive(before) == KEPT + 11
    go_on.set()
    until(lambda: alive(before) == KEPT)
    writers.stop()
    until(lambda: alive(before) == 0)


def test_an_idle_thread_is_used_again() -> None:
    before, writers = set(threading.enumerate()), Writers()
    names = []
    for _ in range(5):
        writers.start(lambda: names.append(threading.get_ident()))
        time.sleep(0.02)
    until(lambda: len(names) == 5)
    assert len(set(names)) == 1
    writers.stop()
    until(lambda: alive(before) == 0)
