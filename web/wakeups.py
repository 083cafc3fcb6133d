"""One Redis subscription per web process: it wakes sockets, and requests that wait for an order.

A wake-up is only a hint: sockets read their mailbox, requests read Postgres. A lost connection costs time
only: after the reconnect every socket reads its mailbox.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
import redis
import structlog

from models import live
from models.live import mailbox
from web.limits.backlog import backlog

log = structlog.get_logger()

# Gets what was published, or None: a message may have been missed. Must not block.
Callback = Callable[[str | None], None]

CONFIRM_SECONDS = 1.0
FIRST_CONNECT_SECONDS = 0.2
RECONNECT_PAUSE = 0.5
# After this much silence a PING is sent; after twice as long the connection is replaced.
SILENCE_SECONDS = 10.0


@dataclass(slots=True)
class Topic:
    """One channel: its subscribers, whether Redis has confirmed it, whether a message may have been missed.

    ``confirmation`` exists only while a caller waits for it: thousands of topics would each hold an event.
    """

    callbacks: list[Callback] = field(default_factory=list)
    confirmed: bool = False
    missed: bool = False
    confirmation: threading.Event | None = None


class OutcomeWaiter:
    """Waits for the outcome of one order."""

    def __init__(self, order_id: str) -> None:
        self.order_id = order_id
        self._arrived = threading.Event()
        self._outcome: dict[str, Any] | None = None

    def set(self, outcome: dict[str, Any]) -> None:
        self._outcome = outcome
        self._arrived.set()

    def wait(self, timeout: float) -> dict[str, Any] | None:
        """What was published for the order, or ``None`` after ``timeout`` seconds."""
        self._arrived.wait(timeout)
        return self._outcome


class Wakeups:
    """The subscription of this process, started by its first use."""

    def __init__(self) -> None:
        self.instance = uuid4().hex
        self._own_channel = f"web:{self.instance}"
        self._topics = {self._own_channel: Topic()}
        self._waiters: dict[str, list[OutcomeWaiter]] = {}
        # SUBSCRIBEs sent and not confirmed: a channel left and joined again waits for the last one.
        self._unconfirmed: Counter[str] = Counter()
        # Guards the tables and every write to the connection; only the reader reads.
        self._lock = threading.Lock()
        # redis-py's PubSub expects one thread; this is its connection without it (and without types).
        self._connection: Any = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._tried = threading.Event()

    @contextmanager
    def expect(self, order_id: str) -> Iterator[OutcomeWaiter]:
        """A waiter for the outcome of this order; enqueue the order within the block."""
        waiter = OutcomeWaiter(order_id)
        self._start()
        with self._lock:
            self._waiters.setdefault(order_id, []).append(waiter)
        self._tried.wait(FIRST_CONNECT_SECONDS)
        try:
            yield waiter
        finally:
            with self._lock:
                waiters = self._waiters[order_id]
                waiters.remove(waiter)
                if not waiters:
                    del self._waiters[order_id]

    def outcome_within(self, order_id: str, timeout: float) -> bool:
        """Waits beside the request that expects this order, at most ``timeout`` seconds.

        False if the outcome has not arrived by then. True at once if no request waits for it.
        """
        with self._lock:
            waiters = list(self._waiters.get(order_id, ()))
        return not waiters or waiters[0].wait(timeout) is not None

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
            confirmation = topic.confirmation = topic.confirmation or threading.Event()
        if not confirmation.wait(CONFIRM_SECONDS):
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

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wakeups", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            # Nothing else would start the subscription again, whatever the error is.
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
        pinged = False
        while not self._stopping.is_set():
            try:
                reply = connection.read_response(disconnect_on_error=False)
            except redis.TimeoutError:
                if pinged:
                    raise
                with self._lock:
                    connection.send_command("PING", check_health=False)
                pinged = True
            else:
                pinged = False
                self._handle(reply)

    def _handle(self, reply: list[Any]) -> None:
        kind, channel, *rest = reply
        if kind == "subscribe":
            self._confirm(channel)
        elif kind == "message" and channel == self._own_channel:
            self._hand_out(rest[0])
        elif kind == "message":
            self._call(channel, rest[0])

    def _confirm(self, channel: str) -> None:
        with self._lock:
            self._unconfirmed -= Counter((channel,))
            topic = self._topics.get(channel)
            if channel in self._unconfirmed or topic is None:
                return
            topic.confirmed = True
            confirmation, topic.confirmation = topic.confirmation, None
            missed, topic.missed = topic.missed, False
        if confirmation is not None:
            confirmation.set()
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
            # An error of one socket must not cost the others their subscription.
            except Exception:
                log.exception("wake-up failed", channel=channel)

    def _hand_out(self, payload: str) -> None:
        try:
            outcomes = orjson.loads(payload)
            backlog.decided(outcome["orderId"] for outcome in outcomes)
            for outcome in outcomes:
                with self._lock:
                    waiters = list(self._waiters.get(outcome["orderId"], ()))
                for waiter in waiters:
                    waiter.set(outcome)
        # The waiters read Postgres; the subscription goes on for the others.
        except Exception:
            log.exception("outcomes not understood")

    def _write(self, command: str, channel: str) -> None:
        """Sends a command if there is a connection; a new one subscribes to every topic anyway."""
        if self._connection is None:
            return
        if command == "SUBSCRIBE":
            self._unconfirmed[channel] += 1
        try:
            self._connection.send_command(command, channel, check_health=False)
        except redis.RedisError:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._unconfirmed.clear()
        for topic in self._topics.values():
            topic.missed = topic.missed or topic.confirmed
            topic.confirmed = False
        if connection is not None:
            connection.disconnect()


wakeups = Wakeups()
