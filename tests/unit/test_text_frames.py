"""The frames that we make ourselves are the ones of the library that reads the others."""

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from web.frames import text_frame


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 70000])
@pytest.mark.parametrize("letter", ["a", "é", "\U0001f69a"])
def test_a_text_is_framed_as_the_library_frames_it(length: int, letter: str) -> None:
    width = len(letter.encode())
    text = letter * (length // width) + "a" * (length % width)
    assert text_frame(text) == Connection(ConnectionType.SERVER).send(TextMessage(text))
