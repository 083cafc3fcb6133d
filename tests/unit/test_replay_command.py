"""The command: what cannot be done is one sentence and exit status 2, before anything is touched."""

import sys
from pathlib import Path

import jwt
import pytest

from tests.unit.test_javascript_gateways import gateway
from tools.local import ports
from tools.replay.__main__ import main
from tools.replay.tokens import DEVELOPMENT_SECRET, LIFETIME_S, Tokens

TRIPS = "requested_at,pickup_latitude,pickup_longitude,drop_latitude,drop_longitude,duration_s\n"
PINGS = "at,driver,latitude,longitude\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two trips and two pings of the same minute."""
    (tmp_path / "trips.csv").write_text(
        TRIPS
        + "2008-05-21T17:00:20Z,28.5,77.3,28.6,77.2,600\n"
        + "2008-05-21T17:00:30Z,28.5,77.3,28.6,77.2,600\n"
    )
    (tmp_path / "pings.csv").write_text(
        PINGS + "2008-05-21T17:00:00Z,a,28.5,77.3\n2008-05-21T17:01:00Z,a,28.5,77.3\n"
    )
    return ["--trips", str(tmp_path / "trips.csv"), "--pings", str(tmp_path / "pings.csv")]


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["replay", *arguments])
    try:
        return main()
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--trips", "", "--pings", ""], "no file is named (make replay TRIPS=file PINGS=file)"),
        (["--trips", "nowhere.csv", "--pings", "nowhere.csv"], "There is no file nowhere.csv."),
        (["--trips", "a", "--pings", "b", "--speed", "0"], "0 is not a number above 0"),
        (["--trips", "a", "--pings", "b", "--speed", "fast"], "fast is not a number above 0"),
        (["--trips", "a", "--pings", "b", "--url", "localhost"], "does not begin with http:// or https://"),
        (["--trips", "a", "--pings", "b", "--run", "a/b"], "1 to 24 letters, digits and '-'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_an_empty_window_is_one_sentence(
    files: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, *files, "--from", "17:00:21", "--to", "17:00:29") == 2
    assert capsys.readouterr().err.startswith("Nothing to replay: ")


def test_a_system_that_does_not_run_is_one_sentence(
    files: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{ports.free()}"
    assert command(monkeypatch, *files, "--url", url) == 2
    assert capsys.readouterr().err == f"Nothing answers at {url}: start the system with `make run`.\n"


def test_something_else_that_answers_is_one_sentence(
    files: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with gateway((200, {}, b"<html>")) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert command(monkeypatch, *files, "--url", url) == 2
    assert capsys.readouterr().err == f"What answers at {url} is not the system (HTTP 404): see URL=.\n"


def test_a_token_is_signed_as_the_system_checks_it() -> None:
    environment = {"JWT_SECRET": "s" * 32, "JWT_ISSUER": "weelo", "JWT_AUDIENCE": "apps"}
    scheme, token = Tokens(environment).bearer("asha", "customer").split()
    claims = jwt.decode(token, "s" * 32, ["HS256"], audience="apps", issuer="weelo")
    assert scheme == "Bearer"
    assert (claims["sub"], claims["role"], claims["exp"] - claims["iat"]) == ("asha", "customer", LIFETIME_S)


def test_without_a_secret_it_is_the_development_one_and_nothing_else_is_claimed() -> None:
    token = Tokens({"JWT_SECRET": ""}).bearer("asha", "driver").split()[1]
    claims = jwt.decode(token, DEVELOPMENT_SECRET, ["HS256"])
    assert set(claims) == {"sub", "role", "iat", "exp"}


def test_the_development_secret_is_the_systems() -> None:
    settings = Path(__file__).parents[2] / "models" / "settings.py"
    assert f'DEVELOPMENT_SECRET = "{DEVELOPMENT_SECRET}"' in settings.read_text()
