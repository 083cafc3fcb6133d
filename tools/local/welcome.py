"""What the launcher reports to people and programs: whether it is ready, what runs where, how to begin."""

import json
import os
import secrets
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from models.settings import Settings
from tools.local import ports, running
from tools.local.server import Server

# Somebody new at each start: an order of the run before may still be searching, and a customer has one.
CUSTOMER, DRIVER = f"asha-{secrets.token_hex(2)}", "ravi"
# The contract's own example.
ORDER: dict[str, Any] = {
    "pickup": {"latitude": 28.5355, "longitude": 77.3910, "address": "Noida"},
    "drop": {"latitude": 28.6139, "longitude": 77.2090, "address": "Delhi"},
    "distanceKm": 25,
    "vehicleRequirements": [
        {"vehicleType": "TRUCK", "vehicleSubtype": "TATA_ACE", "quantity": 1, "pricePerTruck": 500}
    ],
}
# A frozen part of the system must not freeze the launcher.
ASK_TIMEOUT = 2.0

# No proxy stands between this machine and itself.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Readiness:
    """One answer of `/ready`."""

    url: str
    ready: bool
    text: str


def web(environment: Mapping[str, str]) -> str:
    return f"http://{ports.LOOPBACK}:{environment['PORT']}"


def ask_ready(environment: Mapping[str, str]) -> Readiness:
    url = f"{web(environment)}/ready"
    try:
        with _direct.open(url, timeout=ASK_TIMEOUT) as answer:
            return Readiness(url, answer.status == 200, answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Readiness(url, False, error.read().decode(errors="replace"))
    except OSError as error:
        return Readiness(url, False, f"nothing ({error})")


def _flower(environment: Mapping[str, str]) -> str:
    if not environment["FLOWER_PORT"].isdigit():
        return "not started: FLOWER_PORT is no number"
    credentials = quote(environment["FLOWER_BASIC_AUTH"], safe=":")
    return f"http://{credentials}@{ports.LOOPBACK}:{environment['FLOWER_PORT']}"


def note(environment: Mapping[str, str], pids: Mapping[str, int | None]) -> dict[str, Any]:
    """Where everything is, for other commands (`.run/running.json`)."""
    names = [name.upper() for name in Settings.model_fields]
    return {
        "pid": os.getpid(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "web": web(environment),
        "socket": f"{web(environment).replace('http', 'ws', 1)}/api/v1/ws",
        "flower": _flower(environment),
        "pids": dict(pids),
        "environment": {name: environment[name] for name in names if name in environment},
    }


def _tokens(environment: Mapping[str, str], people: Mapping[str, str]) -> list[str]:
    """A token for each role and person, printed by the application's own command."""
    printing = [
        subprocess.Popen(
            [sys.executable, "-m", "web.identity.print_token", role, sub],
            cwd=running.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for role, sub in people.items()
    ]
    return [process.communicate()[0].strip() for process in printing]


def _curl(environment: Mapping[str, str], token: str) -> str:
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "X-Idempotency-Key": f"first-{secrets.token_hex(4)}",
    }
    given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    return shlex.join(["curl", "-i", f"{web(environment)}/api/v1/orders", *given, "-d", json.dumps(ORDER)])


def text(environment: Mapping[str, str], stores: list[Server], seconds: float) -> str:
    """What a person needs to begin, each line whole so that it can be copied."""
    customer, driver = _tokens(environment, {"customer": CUSTOMER, "driver": DRIVER})
    places = {
        "HTTP": f"{web(environment)}/api/v1",
        "Sockets": f"{web(environment).replace('http', 'ws', 1)}/api/v1/ws",
        "Console": f"{web(environment)}/console",
        "Documents": f"{web(environment)}/docs",
        "Readiness": f"{web(environment)}/ready",
        "Flower": _flower(environment),
        "Postgres": environment["DATABASE_URL"],
        "Redis": environment["REDIS_URL"],
    } | {f"{store.name}'s log": str(store.log) for store in stores}
    return "\n".join(
        [
            "",
            f"Ready after {seconds:.1f} s. Ctrl-C stops everything; the data stays.",
            "`make try` runs the README's story, `make logs` follows what the processes write.",
            "",
            *(f"  {name:15} {place}" for name, place in places.items()),
            "",
            f"A customer's token ({CUSTOMER}):",
            customer,
            "",
            f"A driver's token ({DRIVER}):",
            driver,
            "",
            "An order; the same line once more is answered with the same order:",
            _curl(environment, customer),
            "",
        ]
    )
