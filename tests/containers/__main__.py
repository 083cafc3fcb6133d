"""`make containers`: an engine, the images, the services, and what they promise, each with its seconds.

Usage: python -m tests.containers [--only up|all]
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.containers import checks
from tests.containers.stack import Stack

DISK_BYTES = 1_500_000_000
NEEDS = "weelo: make containers needs root, Debian and Linux: it starts a Docker engine of its own."


class Steps:
    """Runs one step after another and prints each with its seconds; whether all held."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def must(self, name: str, step: Callable[[], object]) -> None:
        """A step without which the next ones mean nothing. Raises what it raises."""
        begun = time.monotonic()
        said = step()
        print(
            f"{time.monotonic() - begun:6.1f} s  {name:24} {said if isinstance(said, str) else ''}",
            flush=True,
        )

    def check(self, name: str, step: Callable[[], object]) -> None:
        """A promise: the others are looked at even if it is broken."""
        try:
            self.must(name, step)
        except (AssertionError, RuntimeError) as error:
            self.failed.append(name)
            print(f"   FAILED  {name:24} {error}", flush=True)


def run(stack: Stack, steps: Steps, all_of_it: bool) -> None:
    """From an engine that has started to containers that are gone."""
    steps.must("images of Debian", lambda: stack.script("base.sh"))
    steps.must("build", lambda: stack.compose("build", "--quiet"))
    steps.must("up --wait", lambda: stack.compose("up", "--detach", "--wait"))
    try:
        steps.check("image", lambda: checks.image(stack))
        steps.check("closed", lambda: checks.closed(stack))
        steps.check("story", lambda: checks.story(stack))
        if all_of_it:
            steps.check("idle", lambda: checks.idle(stack))
            scale = ("--scale", "web=3", "--scale", "orders=3")
            steps.must("web=3 orders=3", lambda: stack.compose("up", "--detach", "--wait", *scale))
            steps.check("orders stopped", lambda: checks.stopped_worker(stack))
            steps.check("story of three", lambda: checks.story(stack))
            steps.check("killed under load", lambda: checks.killed(stack))
            steps.check("engine restarted", lambda: checks.restarted_engine(stack))
        steps.check("disk", lambda: checks.disk(stack, DISK_BYTES))
        steps.check("stop", lambda: checks.stop(stack))
    finally:
        if steps.failed:
            print(stack.compose("logs", "--tail", "20", "--no-color"), file=sys.stderr)
        steps.must("down", lambda: stack.compose("down", "--volumes"))


def main() -> int:
    """1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.containers", description=__doc__)
    parser.add_argument("--only", choices=("up", "all"), default="all", help="up: without load and restarts")
    wanted = parser.parse_args()
    if os.geteuid() or not Path("/etc/debian_version").exists() or not shutil.which("apt-get"):
        print(NEEDS, file=sys.stderr)
        return 1
    steps, stack, begun = Steps(), Stack(), time.monotonic()
    try:
        steps.must("programs of Debian", lambda: stack.script("engine.sh", "get"))
        before = stack.script("engine.sh", "state")
        with stack.engine():
            run(stack, steps, wanted.only == "all")
        after = stack.script("engine.sh", "state")
        if before != after:
            steps.failed.append("machine")
            print(f"   FAILED  the machine is not as before:\n{before}\n{after}")
    finally:
        shutil.rmtree(stack.directory)
    verdict = f"failed: {', '.join(steps.failed)}" if steps.failed else "all held"
    print(f"{time.monotonic() - begun:6.1f} s  in all; {verdict}")
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main())
