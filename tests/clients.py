"""The application inside the test's own process, with people who call it."""

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from web import create_app
from web.identity.issuing import issue


class Caller:
    """Somebody with a token."""

    def __init__(self, role: str, sub: str) -> None:
        self._client: FlaskClient = create_app().test_client()
        self._headers = {"Authorization": f"Bearer {issue(role, sub, timedelta(hours=1))}"}

    def get(self, path: str) -> TestResponse:
        return self._client.get(f"/api/v1{path}", headers=self._headers)

    def post(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(f"/api/v1{path}", headers=sent, json=body or {})

    def put(self, path: str, body: dict[str, Any]) -> TestResponse:
        return self._client.put(f"/api/v1{path}", headers=self._headers, json=body)


def code(answer: TestResponse) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, answer.json["error"]["code"] if answer.json else ""
