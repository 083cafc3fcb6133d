"""`make containers`: an engine, the images, the services, and what they promise, each with its seconds.

Usage: python -m tests.containers [--part deployed] [--timed]
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.containers import checks, releases
from tests.containers.stack import Stack

DISK_BYTES = 1_500_000_000
ALL_SECONDS = 300
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
        except (AssertionError, RuntimeError, ExceptionGroup, httpx.HTTPError) as error:
            self.failed.append(name)
            print(f"   FAILED  {name:24} {error!r}", flush=True)


def promises(stack: Stack, steps: Steps) -> None:
    """The image, and the containers when idle, killed and stopped."""
    steps.check("image", lambda: checks.image(stack))
    steps.check("closed", lambda: checks.closed(stack))
    steps.check("story", lambda: checks.story(stack))
    steps.check("idle", lambda: checks.idle(stack))
    scale = ("--scale", "web=3", "--scale", "orders=3")
    steps.must("web=3 orders=3", lambda: stack.compose("up", "--detach", "--wait", *scale))
    steps.check("orders stopped", lambda: checks.stopped_worker(stack))
    steps.check("story of three", lambda: checks.story(stack))
    steps.check("killed under load", lambda: checks.killed(stack))
    steps.check("engine restarted", lambda: checks.restarted_engine(stack))
    steps.check("disk", lambda: checks.disk(stack, DISK_BYTES))
    steps.check("stop", lambda: checks.stop(stack))


def deployed(stack: Stack, steps: Steps) -> None:
    """The scripts of deploy/."""
    steps.check("release", lambda: releases.released(stack))
    steps.check("release refused", lambda: releases.refused(stack))
    steps.check("backup and restore", lambda: releases.restored(stack))


PARTS = {"promises": promises, "deployed": deployed}


def run(stack: Stack, steps: Steps, part: str) -> None:
    """From an engine that has started to containers that are gone."""
    steps.must("images of Debian", lambda: stack.script("base.sh"))
    steps.must("build", lambda: stack.compose("build", "--quiet"))
    steps.must("up --wait", lambda: stack.compose("up", "--detach", "--wait"))
    try:
        PARTS[part](stack, steps)
    finally:
        if steps.failed:
            print(stack.compose("logs", "--tail", "20", "--no-color"), file=sys.stderr)
        steps.must("down", lambda: stack.compose("down", "--volumes"))


def main() -> int:
    """1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.containers", description=__doc__)
    parser.add_argument("--part", choices=PARTS, default="promises", help="deployed: the scripts of deploy/")
    parser.add_argument("--timed", action="store_true", help="nothing else is at work: figures are held too")
    wanted = parser.parse_args()
    if os.geteuid() or not Path("/etc/debian_version").exists() or not shutil.which("apt-get"):
        print(NEEDS, file=sys.stderr)
        return 1
    steps, stack, begun = Steps(), Stack(), time.monotonic()
    try:
        steps.must("programs of Debian", lambda: stack.script("engine.sh", "get"))
        before = stack.script("engine.sh", "state")
        with stack.engine():
            run(stack, steps, wanted.part)
        after = stack.script("engine.sh", "state")
        if before != after:
            steps.failed.append("machine")
            print(f"   FAILED  the machine is not as before:\n{before}\n{after}")
    except subprocess.CalledProcessError as error:
        # Its own words stand above.
        steps.failed.append(Path(error.cmd[1]).name)
    finally:
        shutil.rmtree(stack.directory)
    took = time.monotonic() - begun
    stack.holds("s in all", took, ALL_SECONDS)
    verdict = f"failed: {', '.join(steps.failed)}" if steps.failed else "all held"
    over = f"; over what an idle machine does: {'; '.join(stack.over)}" if stack.over else ""
    print(f"{took:6.1f} s  in all; {verdict}{over}")
    return 1 if steps.failed or (wanted.timed and stack.over) else 0


if __name__ == "__main__":
    sys.exit(main())
