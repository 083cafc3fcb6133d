"""The scans find what they are for, and find nothing in this tree."""

import pytest

from tests.conftest import ROOT
from tools.audit import licences, sbom, secrets


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhc2hhIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
        "key = AKIAABCDEFGHIJKLMNOP",
        "DATABASE_URL=postgresql://weelo:hunter22@db/weelo",
        'JWT_SECRET = "0123456789abcdef0123"',
        "jwt_secret: '0123456789abcdef0123'",
        '{"apiKey": "0123456789abcdef0123"}',
    ],
)
def test_a_line_with_a_secret_is_found(line: str) -> None:
    assert [number for number, _ in secrets.found(["", line])][:1] == [2]


@pytest.mark.parametrize(
    "line",
    [
        "JWT_SECRET: ${JWT_SECRET:?set JWT_SECRET}",
        "postgresql://weelo:${POSTGRES_PASSWORD}@postgres/weelo",
        'f"redis://:{self._password}@{host}/0"',
        "password = read_password()",
    ],
)
def test_a_line_that_only_names_one_is_not(line: str) -> None:
    assert not list(secrets.found([line]))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout: nothing says which files are ours")
def test_no_tracked_file_has_a_secret() -> None:
    assert list(secrets.in_tree()) == []


@pytest.mark.parametrize("text", ["", "GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL-3.0"])
def test_a_licence_that_we_cannot_take_is_refused(text: str) -> None:
    assert licences.refused(text)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-local.txt", "requirements-stores.txt"])
def test_every_pinned_package_has_a_licence_that_we_can_take(name: str) -> None:
    found = {package: licences.licence(package) for package in licences.pinned(name)}
    assert found
    assert [package for package, text in found.items() if licences.refused(text)] == []


def test_the_list_of_the_images_packages_names_every_pin_with_its_hashes() -> None:
    listed = {component["name"]: component for component in sbom.components()}
    assert {name: component["version"] for name, component in listed.items()} == licences.pinned(
        "requirements.txt"
    )
    hashes = (ROOT / "requirements.txt").read_text().count("--hash=sha256:")
    assert sum(len(component["properties"]) for component in listed.values()) == hashes > len(listed)
