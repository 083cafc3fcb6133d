"""The browser of the tests: Debian's Chromium, or any other that is installed.

Usage: python -m tests.chromium: makes sure that there is one, installing it as root where apt is.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "The tests of the console need a browser: apt-get install chromium (or put Google Chrome on the PATH)."
)
INSTALL = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"),
)


class Missing(Exception):
    """No browser is to be found."""

    def __init__(self) -> None:
        super().__init__(MISSING)


def path() -> str:
    """Where the browser is. Raises ``Missing``."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise Missing


def provide() -> None:
    """Installs a browser if there is none and we may; the tests say what is missing if that fails."""
    if any(map(shutil.which, NAMES)) or os.geteuid() or not shutil.which("apt-get"):
        return
    print("weelo: installing chromium for the tests of the console ...", file=sys.stderr, flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in INSTALL:
        done = subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            print(f"weelo: {' '.join(command)} failed: {done.stderr.strip()[-500:]}", file=sys.stderr)
            return


if __name__ == "__main__":
    provide()
