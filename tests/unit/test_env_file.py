"""`.env` and `.env.example`."""

import os
from pathlib import Path

import pytest

from models.settings import Server, Settings
from tests.conftest import ROOT
from tools.local import env_file


def test_the_example_is_what_the_settings_say_today() -> None:
    assert (ROOT / ".env.example").read_text() == env_file.example()


def test_every_setting_is_in_the_example() -> None:
    names = {line[1:].partition("=")[0] for line in env_file.example().splitlines() if "=" in line}
    assert {name.upper() for name in (*Settings.model_fields, *Server.model_fields)} <= names


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('PORT=1\nTILE_URL="https://host/{z}"\n')
    monkeypatch.setattr(env_file, "ROOT", tmp_path)
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("TILE_URL", "to be set back")
    monkeypatch.delenv("TILE_URL")
    env_file.read()
    assert (os.environ["PORT"], os.environ["TILE_URL"]) == ("2", "https://host/{z}")
