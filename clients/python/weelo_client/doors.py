# Made of aio/doors.py by `make twin`.
"""The door to the system: sends a call until it is answered, and reads its outcome."""

import time
from time import sleep
from typing import TypeVar

import httpx

from weelo_client.calls import Call
from weelo_client.retrying import Answer, Tries
from weelo_client.sending import PATIENCE_S, Person, answer_of, options

T = TypeVar("T")


class Door(Person):
    """Waits until there is an answer. ``http`` is shared if it is given, and then not closed here."""

    def __init__(self, url: str, token: str, role: str, http: httpx.Client | None = None) -> None:
        super().__init__(url, token, role)
        self._own = http is None
        self._http = http or httpx.Client(**options())

    def do(self, call: Call[T], within: float = PATIENCE_S) -> T:
        """Sends the call until it is answered for good or the time (seconds) is over."""
        tries = Tries(time.monotonic() + within)
        answer = self._once(call)
        while (pause := tries.pause(answer, time.monotonic())) is not None:
            sleep(pause)
            answer = self._once(call)
        return call.read(tries.outcome(answer))

    def _once(self, call: Call[T]) -> Answer:
        try:
            return answer_of(call, self._http.request(**self.request(call)))
        except httpx.RequestError:
            return Answer(0)

    def close(self) -> None:
        if self._own:
            self._http.close()
