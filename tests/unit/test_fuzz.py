"""Drawn messages are what they are called: right by the document, or wrong by it."""

import random

import pytest
from jsonschema import Draft202012Validator

from tests import documents
from tests.fuzz.frames import KINDS, conversation
from tests.fuzz.messages import Messages

DRAWS = 2_000


def fits(role: str, message: object) -> bool:
    """Whether the document has a message of this role that this one is."""
    document = documents.of_socket()
    payloads = Messages(document, role).payloads
    return any(
        Draft202012Validator(payload | {"components": document["components"]}).is_valid(message)
        for payload in payloads
    )


@pytest.mark.parametrize("role", ["driver", "customer"])
def test_right_messages_fit_the_document_and_nearly_right_ones_do_not(role: str) -> None:
    messages, draw = Messages(documents.of_socket(), role), random.Random(1)
    rights = [messages.right(draw) for _ in range(DRAWS)]
    assert {message["type"] for message in rights} == {
        payload["properties"]["type"]["const"] for payload in messages.payloads
    }
    assert [message for message in rights if not fits(role, message)] == []
    assert [message for message in (messages.nearly(draw) for _ in range(DRAWS)) if fits(role, message)] == []


def test_the_same_seed_draws_the_same_conversation() -> None:
    messages = Messages(documents.of_socket(), "driver")
    assert conversation(random.Random("7-3"), messages) == conversation(random.Random("7-3"), messages)


def test_every_kind_of_frame_is_drawn() -> None:
    messages, draw = Messages(documents.of_socket(), "driver"), random.Random(1)
    names = {name for _ in range(50) for name in conversation(draw, messages)[0]}
    assert names == {kind.__name__ for kind in KINDS} | {"broken"}
