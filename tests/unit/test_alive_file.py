"""The file that a container's health check removes and its process makes again."""

from pathlib import Path

import pytest

from models import alive_file, settings


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "alive"
    monkeypatch.setenv("ALIVE_FILE", str(path))
    found = settings.Settings()
    monkeypatch.setattr(settings, "load", lambda: found)
    monkeypatch.setattr(alive_file, "_due", 0.0)
    return path


def test_a_process_makes_the_file_again_when_it_is_due(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive_file.touch()
    file.unlink()
    alive_file.touch()
    assert not file.exists()
    monkeypatch.setattr(alive_file, "_due", 0.0)
    alive_file.touch()
    assert file.exists()


def test_a_file_that_cannot_be_made_ends_nothing(file: Path) -> None:
    file.parent.rmdir()
    alive_file.touch()
    assert not file.parent.exists()


def test_without_the_setting_there_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(alive_file, "_due", 0.0)
    alive_file.touch()
    assert not list(tmp_path.iterdir())
