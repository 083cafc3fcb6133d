"""The real processes, as the Procfile names them, over stores of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import httpx
from websockets.sync.client import ClientConnection, connect

from tests import documents
from tests.conftest import ROOT
from tests.scenes import NOIDA
from tools.local import leash, ports
from tools.local.procfile import read as read_procfile
from web.identity.issuing import issue

# How long an app repeats an order that is refused.
BUSY_SECONDS = 30.0


class Timeout(AssertionError):
    """A condition that did not come true in time."""


def until(condition: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
    """Waits for a condition to be true and returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise Timeout(what or "the condition did not come true")


def listens(url: str) -> bool:
    """Whether anything answers there."""
    try:
        return httpx.get(url, timeout=2).status_code > 0
    except httpx.HTTPError:
        return False


def ready(url: str) -> bool:
    """Whether a web process says that the whole system works."""
    try:
        return httpx.get(f"{url}/ready", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


class System:
    """Processes of the Procfile over one pair of stores; two of `web`, on two ports."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self.environment = {
            **os.environ,
            **environment,
            "APP_ENV": "development",
            "WEB_CONCURRENCY": "1",
            "DEMO_DIRECTORY": str(logs),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.logs = logs
        self.urls: list[str] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.commands = read_procfile(ROOT / "Procfile")

    def start(self) -> None:
        """Starts everything but Flower and waits until both web processes are ready."""
        for name in ("orders", "sweeps", "beat"):
            self.run(name, self.commands[name])
        for number in (1, 2):
            self.start_web(f"web{number}")
        for url in self.urls:
            until(partial(ready, url), 30, f"{url}/ready did not turn green; see {self.logs}")

    def start_web(self, name: str, **extra: str) -> str:
        """One more web process on a port of its own; its address."""
        port = ports.free()
        self.run(name, self.commands["web"], PORT=str(port), **extra)
        self.urls.append(f"http://127.0.0.1:{port}")
        return self.urls[-1]

    def run(self, name: str, command: tuple[str, ...], **extra: str) -> None:
        """One process of its own group, its output in a file. It ends with this one, however that ends."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, **extra},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        leash.hold(self.processes[name].pid, signal.SIGTERM)

    @contextmanager
    def beside(self, name: str, **settings: str) -> Iterator[str]:
        """One more web process with settings of its own, for the time of the block."""
        url = self.start_web(name, **settings)
        self.urls.remove(url)
        try:
            until(partial(listens, f"{url}/health"), 30, self.log(name))
            yield url
        finally:
            self.end(name)

    def end(self, name: str) -> None:
        """Ends one process that was started beside the others."""
        process = self.processes.pop(name)
        process.terminate()
        process.wait(12)
        leash.release(process.pid)

    def stop(self) -> None:
        """Ends everything that was started, by its process group."""
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            leash.release(process.pid)

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")


class DriverSocket(ClientConnection):
    """A client that takes only frames which are documented."""

    role: ClassVar[str] = "driver"

    def recv(self, timeout: float | None = None, decode: bool | None = None) -> Any:
        text = super().recv(timeout, decode)
        documents.check_frame(self.role, "to", json.loads(text))
        return text


class CustomerSocket(DriverSocket):
    role = "customer"


def _hold_against_documents(response: httpx.Response) -> None:
    response.read()
    sent = response.request
    body = response.json() if response.headers["Content-Type"] == "application/json" else None
    documents.check(sent.method, sent.url.path, response.status_code, response.headers, body)


class AppClient(httpx.Client):
    """Repeats an order that was refused because the machine is busy with other tests, as apps do."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            response = super().send(request, **options)
            if response.status_code != 503 or b"Too many orders are waiting" not in response.content:
                return response
            if time.monotonic() > deadline:
                return response
            time.sleep(0.5)


class Person:
    """An app of one customer or driver: HTTP on one of the web processes, a socket on any."""

    everybody: ClassVar[list["Person"]] = []

    def __init__(self, url: str, role: str, sub: str) -> None:
        self.url, self.role, self.sub = url, role, sub
        self.token = issue(role, sub, timedelta(hours=1))
        self.http = AppClient(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=20,
            event_hooks={"response": [_hold_against_documents]},
        )
        Person.everybody.append(self)

    @classmethod
    def forget_all(cls) -> None:
        """Closes the connections of everybody."""
        while cls.everybody:
            cls.everybody.pop().http.close()

    def socket(self, url: str | None = None, query: str = "") -> ClientConnection:
        """A socket as an ordinary client opens it; the first frame has been read."""
        address = (url or self.url).replace("http://", "ws://") + "/api/v1/ws" + query
        kind = DriverSocket if self.role == "driver" else CustomerSocket
        token = {"Authorization": f"Bearer {self.token}"}
        return connect(address, additional_headers=token, create_connection=kind)

    def order(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return self.http.post(
            "/orders", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )


def on_duty(
    url: str, sub: str, km_north: float = 1.0, vehicle: tuple[str, str] = ("TRUCK", "TATA_ACE")
) -> Person:
    """A driver who has registered, is available, and has sent a position."""
    driver = Person(url, "driver", sub)
    registration = {
        "name": sub.title(),
        "phone": "+911234567890",
        "vehicleType": vehicle[0],
        "vehicleSubtype": vehicle[1],
        "vehicleNumber": "DL 1 AB 1234",
    }
    assert driver.http.put("/drivers/me", json=registration).status_code == 200
    assert driver.http.put("/drivers/me/availability", json={"available": True}).status_code == 200
    here = {"latitude": NOIDA[0] + km_north / 111.195, "longitude": NOIDA[1]}
    sent = driver.http.post("/drivers/me/locations", json={"locations": [here]})
    assert sent.json()["data"]["live"] == 1
    return driver


def hear(socket: ClientConnection, kind: str, seconds: float = 10) -> dict[str, Any]:
    """The next frame of this type; whatever comes before it is passed over."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            frame: dict[str, Any] = json.loads(socket.recv(timeout=left))
        except TimeoutError:
            break
        if frame["type"] == kind:
            return frame
    raise Timeout(f"no {kind} within {seconds} s")


def silence(socket: ClientConnection, seconds: float) -> list[dict[str, Any]]:
    """Whatever comes within this time."""
    found = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            found.append(json.loads(socket.recv(timeout=left)))
        except TimeoutError:
            break
    return found


@contextmanager
def running(environment: dict[str, str], logs: Path) -> Iterator[System]:
    """The system for the time of the block."""
    system = System(environment, logs)
    try:
        system.start()
        yield system
    finally:
        system.stop()
