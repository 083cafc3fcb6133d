"""Query parameters: unknown and repeated ones are refused on every route that reads or changes something."""

import re
from datetime import timedelta

import pytest
from flask import Flask

from tests.clients import Caller, code
from web import create_app
from web.documents.openapi import EXAMPLE_ID
from web.http.operations import operation_of
from web.identity.issuing import issue

pytestmark = pytest.mark.usefixtures("clean")


def fields(answer: object) -> list[str]:
    return [row["field"] for row in answer.json["error"]["details"]]  # type: ignore[attr-defined]


def test_every_route_with_a_role_refuses_a_parameter_that_it_does_not_have() -> None:
    app: Flask = create_app()
    client, asked = app.test_client(), 0
    for rule in app.url_map.iter_rules():
        roles: tuple[str, ...] = getattr(app.view_functions[rule.endpoint], "roles", ())
        if not roles or rule.websocket:
            continue
        token = {"Authorization": f"Bearer {issue(roles[0], 'asha', timedelta(hours=1))}"}
        known = operation_of(app.view_functions[rule.endpoint]).queries
        path = re.sub(r"<[^>]+>", EXAMPLE_ID, rule.rule)
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            for query, field in (
                ("customerId=x", "customerId"),
                *((f"{name}=1&{name}=1", name) for name in known),
            ):
                answer = client.open(f"{path}?{query}", method=method, headers=token)
                assert code(answer) == (400, "VALIDATION_ERROR"), (method, path, query)
                assert fields(answer) == [field]
                asked += 1
    assert asked > 20


@pytest.mark.parametrize("cursor", ["%00%ff", "", "x", "%ed%a0%80", "1", "'", "019"])
def test_a_cursor_that_is_none_is_refused_by_its_name(cursor: str) -> None:
    for answer in (
        Caller("customer", "asha").get(f"/orders?cursor={cursor}"),
        Caller("ops", "olga").get(f"/ops/orders?cursor={cursor}"),
    ):
        assert code(answer) == (400, "VALIDATION_ERROR")
        assert fields(answer) == ["cursor"]


@pytest.mark.parametrize(
    "query", ["limit=%00", "limit=%ff", "status=%00%ff", "limit=%D9%A1", "%ff=1", "=1", "x"]
)
def test_bytes_that_are_no_text_are_refused_too(query: str) -> None:
    assert code(Caller("customer", "asha").get(f"/orders?{query}")) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "path", ["/health?x=1", "/metrics?name[]=weelo_up&name[]=x", "/docs?v=2", "/console?a", "/?a"]
)
def test_probes_pages_and_files_take_any_query(path: str) -> None:
    assert create_app().test_client().get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["//api/v1/orders", "/api/v1//orders", "/api//v1/orders", "/health//"],
)
def test_a_path_with_two_slashes_is_none_of_ours(path: str) -> None:
    answer = create_app().test_client().get(path, headers={"Host": "evil.example"})
    assert code(answer) == (404, "NOT_FOUND")
    assert "Location" not in answer.headers
    assert answer.is_json


@pytest.mark.parametrize("path", ["/health/", "/api/v1/orders/", "/docs/"])
def test_a_slash_at_the_end_redirects_nobody(path: str) -> None:
    answer = create_app().test_client().get(path, headers={"Host": "evil.example"})
    assert answer.status_code in (200, 401)
    assert "Location" not in answer.headers
