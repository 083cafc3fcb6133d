"""How a call is sent and its answer read, by whichever door."""

import json
from typing import Any

import httpx

from weelo_client import envelope, tokens
from weelo_client.calls import Call
from weelo_client.retrying import Answer

# The slowest answer of the contract is a 202 after 5 s; twice that and more is a lost one.
TIMEOUT_S = 15.0
# How long a call goes on trying by default.
PATIENCE_S = 30.0


class Person:
    """What both doors know: where the system is and who is asking. Raises ``WrongRole``."""

    def __init__(self, url: str, token: str, role: str) -> None:
        tokens.hold(token, role)
        self.url, self.token = url.rstrip("/"), token

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """The call as httpx wants it."""
        content = None if call.body is None else json.dumps(call.body).encode()
        headers = {"Authorization": f"Bearer {self.token}", **call.headers}
        return {
            "method": call.method,
            "url": f"{self.url}/api/v1{call.path}",
            "params": dict(call.parameters) or None,
            "content": content,
            "headers": headers | ({"Content-Type": "application/json"} if content is not None else {}),
        }


def answer_of(call: Call[Any], response: httpx.Response) -> Answer:
    body = envelope.read(response.content)
    data = envelope.data(body)
    # A success without what the contract promises is none that this call can use.
    usable = data is None or call.fits(response.status_code, data)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, body if usable else {}, headers)


def options() -> dict[str, Any]:
    """As the socket, straight to the system: proxies and the `.netrc` of the environment are for others.

    Hand in a client of your own (``http``) to go through a proxy. `SSL_CERT_FILE` counts.
    """
    return {"timeout": TIMEOUT_S, "trust_env": False, "verify": httpx.create_ssl_context()}
