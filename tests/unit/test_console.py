"""What the console is served with, in development and in production."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from models import settings
from tests.conftest import forget_configuration
from web import create_app
from web.console import pages
from web.identity import tokens as bearer_tokens
from web.identity.issuing import issue

PRODUCTION = {
    "APP_ENV": "production",
    "JWT_SECRET": "x" * 40,
    "FLOWER_BASIC_AUTH": "ops:something-long",
}
# Production wants both named; nothing here asks them.
STORES_AWAY = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What is set here counts for the next application."""
    forget_configuration()
    yield monkeypatch
    monkeypatch.undo()
    forget_configuration()


def client(monkeypatch: pytest.MonkeyPatch, **environment: str) -> FlaskClient:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_configuration()
    return create_app().test_client()


def test_the_address_of_the_tokens_is_none_of_a_file(configured: pytest.MonkeyPatch) -> None:
    browser = client(configured)
    assert browser.options("/console/tokens").headers["Allow"] == "OPTIONS, POST"
    assert browser.get("/console/tokens").status_code == 405
    assert browser.get("/console/none.js").status_code == 404


def test_the_page_loads_its_own_files_only_and_has_nothing_inside(configured: pytest.MonkeyPatch) -> None:
    browser = client(configured)
    page = browser.get("/console")
    assert page.status_code == 200
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script>|<style|style=|onclick=|(?:src|href)=\"(?![/#])", page.text)
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(loaded) >= 5
    for path in loaded:
        with browser.get(path) as found:
            assert found.status_code == 200, path


def test_every_import_of_a_script_is_served(configured: pytest.MonkeyPatch) -> None:
    browser = client(configured)
    for script in pages.PAGE.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', script.read_text()):
            with browser.get(f"/console/{name}") as found:
                assert found.status_code == 200, f"{script.name} imports {name}"
                assert found.mimetype == "text/javascript"


def test_nothing_else_is_served(configured: pytest.MonkeyPatch) -> None:
    browser = client(configured)
    for name in ("console.html", "pages.py", "LICENSE", "..%2fpages.py"):
        assert browser.get(f"/console/{name}").status_code == 404


def test_the_index_names_the_console(configured: pytest.MonkeyPatch) -> None:
    assert client(configured).get("/").json["data"]["console"] == "/console"  # type: ignore[index]


def test_tiles_may_come_from_the_configured_server_and_nowhere_else(configured: pytest.MonkeyPatch) -> None:
    named = client(
        configured, TILE_URL="https://tiles.example:8080/{z}/{x}/{y}.png", TILE_ATTRIBUTION='"<b>Us'
    ).get("/console")
    policy = named.headers["Content-Security-Policy"]
    assert "img-src 'self' data: https://tiles.example:8080;" in policy
    assert "connect-src 'self';" in policy
    assert 'data-tile-url="https://tiles.example:8080/{z}/{x}/{y}.png"' in named.text
    assert 'data-tile-attribution="&#34;&lt;b&gt;Us"' in named.text


@pytest.mark.parametrize(
    "url", ["tiles.example/{z}", "https://a.example; script-src *//{z}", "javascript:{z}", "https://a/x.png"]
)
def test_a_tile_url_that_could_widen_the_policy_is_refused(configured: pytest.MonkeyPatch, url: str) -> None:
    configured.setenv("TILE_URL", url)
    with pytest.raises(SystemExit, match="TILE_URL"):
        settings.load().require(settings.OF_WEB)


def test_in_development_the_page_gets_tokens_that_run_out_soon(configured: pytest.MonkeyPatch) -> None:
    browser = client(configured, APP_ENV="development")
    assert 'data-development="yes"' in browser.get("/console").text
    tokens: dict[str, Any] = browser.post("/console/tokens", json={}).json["data"]["tokens"]  # type: ignore[index]
    for role, token in tokens.items():
        who = bearer_tokens.verify(token)
        assert who.role == role
    again = browser.post("/console/tokens").json["data"]["tokens"]  # type: ignore[index]
    assert bearer_tokens.verify(again["customer"]).sub != bearer_tokens.verify(tokens["customer"]).sub


REBOUND = {"Host": "evil.test:8000"}


@pytest.mark.parametrize(
    "headers",
    [
        REBOUND,
        {"Host": "192.168.1.5:8000"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-Host": "evil.test"},
        {"Forwarded": "for=203.0.113.9"},
        {"Origin": "https://evil.test"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_development_opens_what_it_has_to_its_own_machine_alone(
    configured: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    browser = client(
        configured, APP_ENV="development", REQUESTS_PER_SECOND="0", ALLOWED_ORIGINS="http://localhost:3000"
    )
    bearer = {"Authorization": f"Bearer {issue('ops', 'olga', timedelta(hours=1))}"}
    refused = browser.post("/console/tokens", json={}, headers=headers)
    assert (refused.status_code, refused.json["error"]["code"]) == (404, "NOT_FOUND")  # type: ignore[index]
    assert "http://localhost:8000" in refused.json["error"]["message"]  # type: ignore[index]
    for method, path in (
        ("GET", "/console/city"),
        ("PUT", "/console/city"),
        ("GET", "/console/watched/driver/ravi"),
    ):
        answer = browser.open(path, method=method, headers=headers | bearer, json={"running": True})
        assert answer.status_code == (403 if headers == REBOUND else 404), answer.text


def test_another_machine_gets_no_tokens_whatever_host_it_names(configured: pytest.MonkeyPatch) -> None:
    browser = client(configured, APP_ENV="development")
    refused = browser.post("/console/tokens", json={}, environ_base={"REMOTE_ADDR": "192.168.1.9"})
    assert refused.status_code == 404


def test_a_page_under_a_rebound_name_asks_for_a_token(configured: pytest.MonkeyPatch) -> None:
    browser = client(configured, APP_ENV="development")
    assert 'data-development="no"' in browser.get("/console", headers=REBOUND).text
    assert 'data-development="yes"' in browser.get("/console").text


@pytest.mark.parametrize(
    ("environment", "refuses"),
    [({}, True), ({"JWT_SECRET": "x" * 40}, False), ({"TRUSTED_HOSTS": "evil.test"}, False)],
    ids=["the development secret", "a secret of our own", "a host that is named"],
)
def test_what_anybody_can_sign_is_not_taken_under_a_name_that_a_page_can_rebind(
    configured: pytest.MonkeyPatch, environment: dict[str, str], refuses: bool
) -> None:
    browser = client(configured, **environment, **STORES_AWAY, APP_ENV="development", REQUESTS_PER_SECOND="0")
    bearer = {"Authorization": f"Bearer {issue('ops', 'olga', timedelta(hours=1))}"}
    answer = browser.get("/api/v1/ops/orders", headers=REBOUND | bearer)
    assert (answer.status_code == 403) == refuses, answer.text


@pytest.mark.parametrize(
    "environment",
    [PRODUCTION, {"APP_ENV": "test"}, {"APP_ENV": "development", "JWT_SECRET": "x" * 40}],
    ids=["production", "test", "development with a secret of our own"],
)
def test_elsewhere_nobody_gets_a_token(configured: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    browser = client(configured, **environment)
    assert 'data-development="no"' in browser.get("/console").text
    refused = browser.post("/console/tokens", json={})
    assert refused.status_code == 404
    assert refused.json is not None
    assert refused.json["error"]["code"] == "NOT_FOUND"
    assert browser.get("/console/tokens").status_code in (404, 405)


@pytest.mark.parametrize(
    "environment",
    [PRODUCTION, {"APP_ENV": "test"}, {"APP_ENV": "development", "JWT_SECRET": "x" * 40}],
    ids=["production", "test", "development with a secret of our own"],
)
def test_elsewhere_no_operator_starts_a_city_or_watches_anybody(
    configured: pytest.MonkeyPatch, environment: dict[str, str], tmp_path: Path
) -> None:
    browser = client(
        configured, **environment, **STORES_AWAY, DEMO_DIRECTORY=str(tmp_path), REQUESTS_PER_SECOND="0"
    )
    bearer = {"Authorization": f"Bearer {issue('ops', 'olga', timedelta(hours=1))}"}
    for answer in (
        browser.get("/console/city", headers=bearer),
        browser.put("/console/city", headers=bearer, json={"running": True}),
        browser.get("/console/watched/driver/ravi", headers=bearer),
    ):
        assert answer.status_code == 404, answer.text
    assert list(tmp_path.iterdir()) == []
    # It would try for ever to reach a Redis that is away.
    browser.application.extensions["watching"]()


def test_the_ground_is_small_and_its_licences_stand_beside_it(configured: pytest.MonkeyPatch) -> None:
    with client(configured).get("/console/ground.json") as ground:
        assert len(ground.data) <= 400_000
        places = {name for name, *_ in ground.get_json()["places"]}
    assert {"Delhi", "Mumbai", "Chennai", "San Francisco"} <= places
    text = (pages.GROUND / "LICENSE").read_text()
    assert all(source in text for source in ("Natural Earth", "ISC", "GeoNames", "Attribution 4.0"))


def test_the_licence_of_leaflet_stands_beside_it() -> None:
    text = (pages.LEAFLET / "LICENSE").read_text()
    assert "BSD 2-Clause" in text
    assert "1.9.4" in Path(pages.LEAFLET / "leaflet.js").read_text()[:200]
