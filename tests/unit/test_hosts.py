"""Which ``Host`` is one, and which is ours."""

import pytest
from flask import Flask
from werkzeug.sansio.utils import host_is_trusted

from web.http import hosts


@pytest.mark.parametrize(
    "host",
    [
        "weelo_app",
        "weelo_app:8000",
        "a.b.",
        "A.B:80",
        "x:",
        "127.0.0.1:8000",
        "[::1]",
        "[2001:db8::1]:8000",
        "a~!$&'()*+,;=b",
        "%41b",
        "-a-",
    ],
)
def test_a_host_of_rfc_3986_is_valid(host: str) -> None:
    assert hosts.is_valid(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "a b",
        "a/b",
        "a@b",
        "a\\b",
        "a:70000",
        "a:b",
        "a:1:2",
        "[::1",
        "[:::1]",
        "::1",
        "%4",
        "ä",
        "a,b c",
        "<a>",
        'a"b',
        "a#b",
        "a?b",
        "x" * 5000,
    ],
)
def test_what_is_none_is_refused(host: str) -> None:
    assert not hosts.is_valid(host)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("api.weelo.in", True),
        ("API.Weelo.IN.:8000", True),
        ("weelo_app", True),
        ("a.example.com", True),
        ("example.com", True),
        ("[::1]:9", True),
        ("xn--bcher-kva.de", True),
        ("api.weelo.in.evil.com", False),
        ("xexample.com", False),
        ("evil.com", False),
    ],
)
def test_a_name_is_compared_whatever_its_port_case_and_last_dot(host: str, ours: bool) -> None:
    trusted = ("api.weelo.in", "weelo_app", ".example.com", "[::1]", "bücher.de")
    assert hosts.is_among(host, trusted) == ours


def test_a_request_knows_its_host_without_the_port_of_its_scheme() -> None:
    app = Flask(__name__)
    app.request_class = hosts.HostRequest
    for sent, host in (("weelo_app:80", "weelo_app"), ("weelo_app:8000", "weelo_app:8000"), ("a b", "")):
        with app.test_request_context(headers={"Host": sent}) as context:
            assert context.request.host == host


def test_our_own_idea_of_a_host_is_still_needed() -> None:
    assert not host_is_trusted("weelo_app")
