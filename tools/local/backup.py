"""`make backup` and `make restore`: all of Postgres as one file, and a system that begins again from it.

Redis is not in the file: everything in it is made again from Postgres. A restore empties it, because it would
answer for orders that came after the dump.

Usage: python -m tools.local.backup save|restore FILE
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg2
import redis
from psycopg2.extensions import make_dsn

from models import settings, store_urls
from tools.local import binaries, env_file, running, surroundings
from tools.local.run import MIGRATE
from tools.local.server import AlreadyRunning, Server, StoreError
from tools.local.stores import Postgres, Valkey

# A dump without owners and rights fits any server. The migrations give the rights again.
NOT_DUMPED = ("--no-owner", "--no-privileges")
# In the same transaction as the dump: until that is in place whole, everything is as it was.
EMPTY = "SET statement_timeout = 0; DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public"
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Refusal(Exception):
    """It makes no sense as things are; the message says what to do."""


@contextlib.contextmanager
def _stores(*stores: Server) -> Iterator[dict[str, str]]:
    """The environment with the addresses of these stores; one without a setting is started for the block."""
    environment = dict(os.environ)
    with contextlib.ExitStack() as started:
        for store in stores:
            name = "DATABASE_URL" if isinstance(store, Postgres) else "REDIS_URL"
            if not environment.get(name):
                started.callback(store.stop)
                environment[name] = store.start()
        yield environment


def _call(program: str, *arguments: str, url: str, **streams: Any) -> None:
    """One of Postgres' own programs; the password is in its environment, where `ps` does not show it."""
    keywords = store_urls.postgres(url)
    password = {"PGPASSWORD": keywords.pop("password")} if "password" in keywords else {}
    command = [str(binaries.postgres() / program), *arguments, f"--dbname={make_dsn(**keywords)}"]
    done = subprocess.run(command, env=os.environ | password, stderr=subprocess.PIPE, text=True, **streams)
    if done.returncode:
        raise Refusal(f"{program} failed: {store_urls.without_secrets(done.stderr.strip(), url)}")


def save(file: Path) -> None:
    """Writes the dump of one moment to the file; while orders are placed, they do not wait for it."""
    begun = file.with_name(f"{file.name}.new")
    begun.touch(mode=0o600)
    with _stores(Postgres(running.DIRECTORY / "postgres")) as environment:
        url = environment["DATABASE_URL"]
        _call("pg_dump", "--format=custom", *NOT_DUMPED, f"--file={begun}", url=url)
    begun.replace(file)


def restore(file: Path) -> None:
    """Replaces everything in Postgres by the file and empties Redis. Raises Refusal while anything runs."""
    local = Postgres(running.DIRECTORY / "postgres"), Valkey(running.DIRECTORY / "valkey")
    with _stores(*local) as environment, tempfile.TemporaryFile(dir=file.absolute().parent) as statements:
        url = environment["DATABASE_URL"]
        _refuse_company(url)
        _unpack(file, statements)
        _empty_redis(environment)
        whole = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
        streams = {"stdin": statements, "stdout": subprocess.DEVNULL}
        _call("psql", *whole, f"--command={EMPTY}", "--file=-", url=url, **streams)
        # The file may be older than this code.
        subprocess.run(MIGRATE, cwd=running.ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)


def _unpack(file: Path, statements: IO[bytes]) -> None:
    """Unpacks the whole file first: one that was cut off is refused before anything is touched."""
    command = [str(binaries.postgres() / "pg_restore"), *NOT_DUMPED, "--file=-", str(file)]
    done = subprocess.run(command, stdout=statements, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Refusal(f"{file} is no whole backup: {done.stderr.strip()}")
    statements.seek(0)


def _refuse_company(url: str) -> None:
    keywords: dict[str, Any] = dict(store_urls.postgres(url))
    with (
        contextlib.closing(psycopg2.connect(**keywords)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(OTHERS)
        (others,) = cursor.fetchone()
    if others:
        raise Refusal(f"{others} sessions are in this database: stop web, beat and all workers first")


def _empty_redis(environment: dict[str, str]) -> None:
    """Keys, caches, the driver index, mailboxes and the queues."""
    ca_file = environment.get("REDIS_CA_FILE", "")
    for url in {environment["REDIS_URL"], environment.get("CELERY_BROKER_URL") or environment["REDIS_URL"]}:
        address = store_urls.redis(url, ca_file)
        with redis.Redis(**address.options, ssl=address.tls) as client:
            client.flushdb()


def main(verb: str, file: Path) -> int:
    began = time.monotonic()
    env_file.read()
    surroundings.forget_strangers()
    settings.load()
    try:
        {"save": save, "restore": restore}[verb](file)
    except AlreadyRunning as error:
        print(f"weelo: stop `make run` first. {error}", file=sys.stderr)
        return 1
    except (Refusal, StoreError, binaries.Missing, psycopg2.Error, redis.RedisError, OSError) as error:
        print(f"weelo: {str(error).strip().rstrip('.')}.", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError:
        print("weelo: restored, but the migrations failed: `make run` says why.", file=sys.stderr)
        return 1
    done = "saved to" if verb == "save" else "restored from"
    print(f"{done} {file} ({file.stat().st_size / 1e6:.1f} MB) in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
