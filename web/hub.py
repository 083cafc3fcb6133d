"""One Redis subscription per web process: it wakes sockets, and requests that wait for an order.

Waking is never the truth: sockets look into their mailbox, requests into Postgres. So a lost
connection costs time only; it is made again for ever, and every socket is told to look.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import orjson
import redis
import structlog

from models import live
from models.live import mailbox
from web.backlog import backlog

log = structlog.get_logger()

# What was published, or None: something may have been missed, look for yourself. Must not block.
Callback = Callable[[str | None], None]

CONFIRM_SECONDS = 1.0
FIRST_CONNECT_SECONDS = 0.2
RECONNECT_PAUSE = 0.5
# A silent Redis is asked for a sign of life after this time and given up after twice as long.
SILENCE_SECONDS = 10.0


@dataclass(slots=True)
class Topic:
    """One channel: who listens, whether Redis has confirmed it, whether anything can have been missed.

    ``bell`` rings for those who wait for that; nobody does for long, so there is one only meanwhile.
    """

    callbacks: list[Callback] = field(default_factory=list)
    confirmed: bool = False
    missed: bool = False
    bell: threading.Event | None = None


class Expectation:
    """Waits for the outcome of one order; use it as a context manager around the enqueueing."""

    def __init__(self, hub: "Hub", order_id: str) -> None:
        self._hub, self.order_id = hub, order_id
        self._arrived = threading.Event()
        self._outcome: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        self._hub.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub.remove(self)

    def arrive(self, outcome: dict[str, Any]) -> None:
        self._outcome = outcome
        self._arrived.set()

    def wait(self, timeout: float) -> dict[str, Any] | None:
        """What was published for the order, or ``None`` after ``timeout`` seconds."""
        self._arrived.wait(timeout)
        return self._outcome


class Hub:
    """The subscription of this process, started by its first use."""

    def __init__(self) -> None:
        self.instance = uuid4().hex
        self._own_channel = f"web:{self.instance}"
        self._topics = {self._own_channel: Topic()}
        self._expectations: dict[str, list[Expectation]] = {}
        # SUBSCRIBEs sent and not confirmed: a channel left and joined again waits for the last one.
        self._asked: Counter[str] = Counter()
        # Guards the tables and every write to the connection; only the reader reads.
        self._lock = threading.Lock()
        # redis-py's PubSub expects one thread; this is its connection without it (and without types).
        self._connection: Any = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._tried = threading.Event()

    def expect(self, order_id: str) -> Expectation:
        """An expectation of what is published on ``web:{instance}`` for this order."""
        return Expectation(self, order_id)

    def see_arrive(self, order_id: str, timeout: float) -> bool:
        """Waits beside whoever expects this order, at most ``timeout`` seconds; not at all if nobody does.

        False if the time was over first.
        """
        with self._lock:
            waiting = list(self._expectations.get(order_id, ()))
        return not waiting or waiting[0].wait(timeout) is not None

    def subscribe(self, person: str, callback: Callback) -> None:
        """Calls back for everything published for this person, from the moment this returns.

        Raises ``redis.ConnectionError``, and forgets the callback, if Redis does not confirm.
        """
        self._start()
        channel = mailbox.channel(person)
        with self._lock:
            topic = self._topics.setdefault(channel, Topic())
            topic.callbacks.append(callback)
            if len(topic.callbacks) == 1:
                self._write("SUBSCRIBE", channel)
            if topic.confirmed:
                return
            bell = topic.bell = topic.bell or threading.Event()
        if not bell.wait(CONFIRM_SECONDS):
            self.unsubscribe(person, callback)
            raise redis.ConnectionError("Redis did not confirm a subscription")

    def unsubscribe(self, person: str, callback: Callback) -> None:
        """Ends :meth:`subscribe`; does nothing if that is over already."""
        channel = mailbox.channel(person)
        with self._lock:
            topic = self._topics.get(channel)
            if topic is None or callback not in topic.callbacks:
                return
            topic.callbacks.remove(callback)
            if not topic.callbacks:
                del self._topics[channel]
                self._write("UNSUBSCRIBE", channel)

    def stop(self) -> None:
        """Ends the subscription and its thread; a later use starts them again."""
        self._stopping.set()
        with self._lock:
            thread, self._thread = self._thread, None
            self._drop()
        if thread is not None:
            thread.join()
        self._stopping.clear()

    def add(self, expectation: Expectation) -> None:
        self._start()
        with self._lock:
            self._expectations.setdefault(expectation.order_id, []).append(expectation)
        self._tried.wait(FIRST_CONNECT_SECONDS)

    def remove(self, expectation: Expectation) -> None:
        with self._lock:
            waiting = self._expectations[expectation.order_id]
            waiting.remove(expectation)
            if not waiting:
                del self._expectations[expectation.order_id]

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            # Whatever breaks here, nobody else would start the subscription again.
            except Exception as error:
                if not self._stopping.is_set():
                    log.warning("subscription lost", error=str(error))
            with self._lock:
                self._drop()
            self._tried.set()
            self._stopping.wait(RECONNECT_PAUSE)

    def _listen(self) -> None:
        connection: Any = live.subscriber().connection_pool.make_connection()
        connection.socket_timeout = SILENCE_SECONDS
        connection.connect()
        with self._lock:
            self._connection = connection
            for channel in self._topics:
                self._write("SUBSCRIBE", channel)
        asked = False
        while not self._stopping.is_set():
            try:
                reply = connection.read_response(disconnect_on_error=False)
            except redis.TimeoutError:
                if asked:
                    raise
                with self._lock:
                    connection.send_command("PING", check_health=False)
                asked = True
            else:
                asked = False
                self._take(reply)

    def _take(self, reply: list[Any]) -> None:
        kind, channel, *rest = reply
        if kind == "subscribe":
            self._confirm(channel)
        elif kind == "message" and channel == self._own_channel:
            self._arrive(rest[0])
        elif kind == "message":
            self._call(channel, rest[0])

    def _confirm(self, channel: str) -> None:
        with self._lock:
            self._asked -= Counter((channel,))
            topic = self._topics.get(channel)
            if channel in self._asked or topic is None:
                return
            topic.confirmed = True
            bell, topic.bell = topic.bell, None
            missed, topic.missed = topic.missed, False
        if bell is not None:
            bell.set()
        if channel == self._own_channel:
            self._tried.set()
        if missed:
            self._call(channel, None)

    def _call(self, channel: str, payload: str | None) -> None:
        with self._lock:
            topic = self._topics.get(channel)
            callbacks = list(topic.callbacks) if topic else []
        for callback in callbacks:
            try:
                callback(payload)
            # One socket's trouble must not cost the others their subscription.
            except Exception:
                log.exception("wake-up failed", channel=channel)

    def _arrive(self, payload: str) -> None:
        try:
            outcomes = orjson.loads(payload)
            backlog.decided(outcome["orderId"] for outcome in outcomes)
            for outcome in outcomes:
                with self._lock:
                    waiting = list(self._expectations.get(outcome["orderId"], ()))
                for expectation in waiting:
                    expectation.arrive(outcome)
        # Whoever waits looks into Postgres; to the others the subscription goes on.
        except Exception:
            log.exception("outcomes not understood")

    def _write(self, command: str, channel: str) -> None:
        """Sends a command if there is a connection; a new one subscribes to every topic anyway."""
        if self._connection is None:
            return
        if command == "SUBSCRIBE":
            self._asked[channel] += 1
        try:
            self._connection.send_command(command, channel, check_health=False)
        except redis.RedisError:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._asked.clear()
        for topic in self._topics.values():
            topic.missed = topic.missed or topic.confirmed
            topic.confirmed = False
        if connection is not None:
            connection.disconnect()


_hub = Hub()
instance = _hub.instance
expect = _hub.expect
see_arrive = _hub.see_arrive
subscribe = _hub.subscribe
unsubscribe = _hub.unsubscribe
stop = _hub.stop
