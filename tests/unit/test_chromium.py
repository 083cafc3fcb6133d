"""Without a browser the tests of the console fail with a sentence, and never pass by being left out."""

from pathlib import Path

import pytest

from tests import chromium


def test_a_machine_without_a_browser_shows_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    chromium.provide()
    with pytest.raises(chromium.Missing, match="apt-get install chromium"):
        chromium.path()


def test_an_installed_browser_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = tmp_path / "google-chrome"
    found.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.path() == str(found)


def test_what_apt_says_when_it_fails_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho no network >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    chromium.provide()
    assert "apt-get update -qq failed: no network" in capsys.readouterr().err
