"""Sets the clock of a process: SKEW_SECONDS from the true time.

Python runs this at the start of a process that has this folder on its PYTHONPATH. The monotonic clock and
what C code reads stay as they are.
"""

import ctypes
import datetime
import gc
import os
import time

SKEW = float(os.environ.get("SKEW_SECONDS", "0"))
_time, _time_ns = time.time, time.time_ns
_now = datetime.datetime.now


def _skewed_time() -> float:
    return _time() + SKEW


def _skewed_time_ns() -> int:
    return _time_ns() + int(SKEW * 1_000_000_000)


def _skewed_now(cls: type, tz: datetime.tzinfo | None = None) -> datetime.datetime:
    return _now(tz) + datetime.timedelta(seconds=SKEW)


if SKEW:
    time.time, time.time_ns = _skewed_time, _skewed_time_ns
    # The methods of a class written in C cannot be assigned; the dictionary behind its `__dict__` can be
    # written.
    gc.get_referents(datetime.datetime.__dict__)[0]["now"] = classmethod(_skewed_now)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
