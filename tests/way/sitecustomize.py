"""Notes which files of the checkout run in a process while WAY_FLAG exists, one name a line in WAY_NOTES.

Python runs this at the start of a process that has this folder on its PYTHONPATH.
"""

import os
import sys
import threading
from pathlib import Path
from types import FrameType

FLAG, NOTES = os.environ.get("WAY_FLAG", ""), os.environ.get("WAY_NOTES", "")
CHECKOUT = str(Path(__file__).parent.parent.parent) + os.sep
SKIPPED = tuple(CHECKOUT + folder + os.sep for folder in (".venv", "tests"))
# Loops that run without any order. What they call is on the way only if the order calls it too.
BESIDE = {
    "gunicornconfig.py",
    "models/clock.py",
    "server/__main__.py",
    "server/lag.py",
    # A worker's signs of life.
    "tasks/__init__.py",
    "tasks/celery_patches/event_buffer.py",
    "web/identity/revocations.py",
}

_noted: set[str] = set()


def _is_ours(name: str) -> bool:
    return name.startswith(CHECKOUT) and not name.startswith(SKIPPED)


def _begun_by(frame: FrameType) -> str:
    """The file of ours that this call's thread or greenlet began in."""
    found = ""
    caller: FrameType | None = frame
    while caller:
        if _is_ours(caller.f_code.co_filename):
            found = caller.f_code.co_filename
        caller = caller.f_back
    return found.removeprefix(CHECKOUT)


def _note(frame: FrameType, event: str, arg: object) -> None:
    # Called for every call in the process: the cheap questions first.
    if event != "call":
        return
    name = frame.f_code.co_filename
    if name in _noted or not _is_ours(name):
        return
    if not os.path.exists(FLAG) or _begun_by(frame) in BESIDE:
        return
    _noted.add(name)
    with open(f"{NOTES}.{os.getpid()}", "a") as notes:
        notes.write(name.removeprefix(CHECKOUT) + "\n")


if FLAG:
    threading.setprofile(_note)
    sys.setprofile(_note)
