"""Postgres refuses to run as root, so root runs it as another existing account.

A checkout often lies below a directory that only root may enter. Nothing is ever opened up for
that: the data and a copy of the programs then go to a directory of their own outside it.
"""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.local import surroundings

ACCOUNTS = ("postgres", "nobody")
# On disk, kept over a reboot and open to everybody, unlike /tmp and /home.
OUTSIDE = Path("/var/tmp")  # noqa: S108
# In the directory asked for, the name of the one used instead of it.
POINTER = "elsewhere"


@dataclass(frozen=True)
class Account:
    """Somebody without privileges that root may become."""

    name: str
    uid: int
    gid: int

    @property
    def identity(self) -> dict[str, Any]:
        """Arguments of `subprocess.Popen` that make the process theirs."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def _may(self, command: list[str]) -> bool:
        try:
            done = subprocess.run(
                command,
                **self.identity,
                cwd="/",
                env=surroundings.for_servers(),
                capture_output=True,
                check=False,
            )
        except OSError:
            return False
        return done.returncode == 0

    def reaches(self, directory: Path) -> bool:
        return self._may(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory.resolve())])

    def runs(self, program: Path) -> bool:
        return self._may([str(program), "--version"])


def account(directory: Path) -> Account | None:
    """Whose the data in `directory` has to be: nobody's but ours (None), unless we are root."""
    if os.geteuid() != 0:
        return None
    owner = directory.stat().st_uid if directory.exists() else 0
    if owner != 0:
        # Data that was made without root keeps its owner.
        entry = pwd.getpwuid(owner)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    return None


def _belongs(directory: Path, who: Account) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    private = stat.S_IMODE(found.st_mode) == 0o700
    return stat.S_ISDIR(found.st_mode) and found.st_uid == who.uid and private


def recorded(directory: Path) -> Path | None:
    """The directory outside that `directory` names, whether or not it still exists."""
    try:
        named = Path((directory / POINTER).read_text().strip())
    except OSError:
        return None
    return named if named.parent == OUTSIDE and named.name.startswith("weelo-") else None


def _outside(directory: Path, who: Account) -> Path:
    known = recorded(directory)
    if known and _belongs(known, who):
        return known
    # A name that nobody can have taken before, and mode 0700 from the first moment.
    made = Path(tempfile.mkdtemp(prefix="weelo-", dir=OUTSIDE))
    os.chown(made, who.uid, who.gid)
    (directory / POINTER).write_text(f"{made}\n")
    return made


def home(directory: Path, who: Account) -> Path:
    """Where `who` keeps the data of `directory`: there if they can get there, else outside."""
    if not (directory / POINTER).exists() and who.reaches(directory.parent):
        os.chown(directory, who.uid, who.gid)
        return directory
    return _outside(directory, who)


def remove(directory: Path) -> None:
    """Removes a directory and what was put outside for it."""
    known = recorded(directory)
    if known and not known.is_symlink():
        shutil.rmtree(known, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
