"""The command: `python -m tools.demo`, for what `make run` has started."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from tools.demo import demand, ledger
from tools.demo.city import City, NotBegun, Options
from tools.demo.control import DIRECTORY, AlreadyRunning, Files
from tools.replay.tokens import Tokens

OK, FAILED, NOT_BEGUN, INTERRUPTED = 0, 1, 2, 130
LINE_EVERY_S = 5.0
NOTE_EVERY_S = 0.5


def main() -> int:
    given = _arguments()
    options = Options(given.url, given.seed, given.drivers, given.speed, given.minutes)
    files = Files(given.notes)
    if os.environ.get("APP_ENV") == "production":
        print("The simulated city makes up orders: it is refused in production.", file=sys.stderr)
        return NOT_BEGUN
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    try:
        with files.claim(given.lock):
            return asyncio.run(_run(options, files))
    except (NotBegun, AlreadyRunning) as problem:
        print(problem, file=sys.stderr)
        return NOT_BEGUN
    except KeyboardInterrupt:
        return INTERRUPTED


async def _run(options: Options, files: Files) -> int:
    run = f"{int(time.time()):x}"
    city = City(options, Tokens(), run, files.begin(run))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # A second Ctrl-C ends the program as it would any other; a button may be pressed twice.
        loop.remove_signal_handler(signal.SIGINT)
        if city.state != "stopping":
            print("stopping: orders are called off, drivers go home", flush=True)
        city.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    noting = asyncio.ensure_future(_note(city, files))
    telling = asyncio.ensure_future(_tell(city))
    try:
        await city.run()
        if not any(driver.busy for driver in city.drivers):
            files.finish()
    finally:
        noting.cancel()
        telling.cancel()
    print(ledger.table(city.ledger), flush=True)
    return INTERRUPTED if city.share < 1 else FAILED if city.ledger.failures else OK


async def _note(city: City, files: Files) -> None:
    while True:
        online, busy = city.counts()
        clock = ledger.clock(demand.hour(city.share))
        seen = {"state": city.state, "clock": clock, "drivers": online, "busy": busy, "url": city.url}
        files.write(city.ledger.figures() | seen, os.getpid())
        await asyncio.sleep(NOTE_EVERY_S)


async def _tell(city: City) -> None:
    while True:
        print(ledger.progress(city.ledger, demand.hour(city.share), *city.counts()), flush=True)
        await asyncio.sleep(LINE_EVERY_S)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, without the usage: most people come here through `make demo`."""
        self.exit(NOT_BEGUN, f"demo: {message}\n")


def _arguments() -> argparse.Namespace:
    parser = _Parser(prog="python -m tools.demo", description="A simulated city against the running system.")
    add = parser.add_argument
    add("--url", default=f"http://127.0.0.1:{os.environ.get('PORT') or 8000}", help="default: %(default)s")
    add("--seed", type=int, default=Options.seed, help="the same seed, the same city (%(default)s)")
    add("--drivers", type=_whole, default=Options.drivers, help="1 to 2000 (%(default)s)")
    add("--speed", type=_above_0, default=Options.speed, help="times as fast as trucks drive (%(default)g)")
    add("--minutes", type=_above_0, default=Options.minutes, help="how long the day lasts (%(default)g)")
    add("--notes", type=Path, default=DIRECTORY, help="folder of its lock and note (%(default)s)")
    add("--lock", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 2000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 2000")
    return int(text)


def _above_0(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 10_000:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
