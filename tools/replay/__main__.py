"""The command: `python -m tools.replay --trips FILE --pings FILE`."""

import argparse
import asyncio
import logging
import math
import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from tools.replay import plan, session
from tools.replay.alone import NotBegun
from tools.replay.greedy import TOLERANCE
from tools.replay.reading import InputProblem
from tools.replay.session import Options

WIDTH = 160

STATUS = f"""\
exit status: 0 all is as it should be; 1 something failed, the sockets and the system disagree, or the
system filled more than {TOLERANCE} points less than a greedy dispatcher (if a lower speed would do, a line
says which); 2 it could not begin; 130 ended by Ctrl-C"""


def main() -> int:
    arguments = _arguments()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    _allow_many_sockets()
    try:
        found = plan.read(arguments.trips, arguments.pings, arguments.start, arguments.end)
        options = Options(arguments.url, arguments.speed, arguments.run, arguments.seed, arguments.out)
        return asyncio.run(session.replay(found, options, _console()))
    except (InputProblem, NotBegun) as problem:
        print(problem, file=sys.stderr)
        return session.NOT_BEGUN
    except KeyboardInterrupt:
        return session.INTERRUPTED


def _console() -> Console:
    # Lines in a file or a log are read by others, and should not be folded for them.
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def _arguments() -> argparse.Namespace:
    parser = _Parser(
        prog="python -m tools.replay",
        description="Replays recorded trips and cabs against the running system.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--trips", type=_file, required=True, help="recorded trips, CSV or CSV in gzip")
    add("--pings", type=_file, required=True, help="recorded positions of the cabs, likewise")
    add("--speed", type=_speed, default=60.0, help="times as fast as recorded (default: %(default)g)")
    add("--from", dest="start", default="", help="first moment, e.g. 17:00 (default: where both files begin)")
    add("--to", dest="end", default="", help="end, e.g. 18:00 (default: where one of the files ends)")
    add(
        "--url",
        type=_url,
        default=f"http://127.0.0.1:{os.environ.get('PORT') or 8000}",
        help="default: %(default)s",
    )
    add(
        "--out",
        type=Path,
        default=Path(".run/replay"),
        help="folder for picture and orders (default: %(default)s)",
    )
    add(
        "--run",
        type=_name,
        default=f"{int(time.time()):x}",
        help="name of this run, part of its people's ids",
    )
    add(
        "--seed", type=int, default=0, help="for delays and preferences of the drivers (default: %(default)s)"
    )
    return parser.parse_args()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, without the usage: most people come here through `make replay`."""
        self.exit(session.NOT_BEGUN, f"replay: {message}\n")


def _file(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("no file is named (make replay TRIPS=file PINGS=file)")
    return Path(text)


def _speed(text: str) -> float:
    with suppress(ValueError):
        value = float(text)
        if value > 0 and math.isfinite(value):
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a number above 0")


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text} does not begin with http:// or https://")
    return text


def _name(text: str) -> str:
    if not (0 < len(text) <= 24 and text.isascii() and text.replace("-", "").isalnum()):
        raise argparse.ArgumentTypeError("1 to 24 letters, digits and '-'")
    return text


def _allow_many_sockets() -> None:
    """Every driver and customer has a socket, and the usual limit of open files is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
