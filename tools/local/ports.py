"""Which ports of this machine are free: for servers that take any, and for settings that name one."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below those that Linux (from 32768) and macOS (from 49152) give to outgoing connections: one of
# them could otherwise sit on a server's port just when the server is started again.
ASSIGNED = range(20_000, 32_000)


def problem(port: int) -> str:
    """Why nothing can listen on this port now, in a few words; empty if something can."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        # A listener that set SO_REUSEPORT would let us bind beside it.
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return "is in use"
    with socket.socket() as probe:
        # As servers do it: a connection in TIME_WAIT is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            return "is reserved for root"
        except OSError:
            return "is in use"
    return ""


def free(preferred: int = 0) -> int:
    """A port that is free at this moment, the preferred one if it is."""
    candidates = random.sample(ASSIGNED, k=100)
    for port in [preferred, *candidates] if preferred else candidates:
        if not problem(port):
            return port
    raise OSError(f"none of a hundred ports from {ASSIGNED.start} on is free")
