"""Keeps new connections from a listening socket while those that it has already are accepted.

The client of a dropped SYN sends it again after a second. By then another process accepts it, or nobody
listens and the connection is refused, which a load balancer answers by asking another server.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Linux; Python has no names for them.
SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
FLAGS_OFFSET = 13
SYN = 0x02
# A program for the kernel's packet filter (man 7 socket): code, jump if true, jump if false, operand.
DROP_SYN = (
    (0x30, 0, 0, FLAGS_OFFSET),  # load the byte with TCP's flags
    (0x45, 1, 0, SYN),  # skip an instruction if SYN is set
    (0x06, 0, 0, 0xFFFF),  # accept
    (0x06, 0, 0, 0),  # drop
)


@contextmanager
def dropped_syn(listening: Any) -> Iterator[None]:
    """No new connection reaches this socket within the block, where the system can do that.

    The filter belongs to the socket, which other processes may go on using: so it is taken off again.
    """
    if sys.platform != "linux":
        yield
        return
    instructions = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", *instruction) for instruction in DROP_SYN)
    )
    program = struct.pack("HL", len(DROP_SYN), ctypes.addressof(instructions))
    with suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    try:
        yield
    finally:
        with suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
