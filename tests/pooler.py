"""PgBouncer in transaction mode before a Postgres of the tests."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from models import db
from models.tables import grants
from tools.local import ports, unprivileged

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
CONFIGURATION = """
[databases]
* = host={host} port={from_port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
"""


@contextmanager
def before(postgres: str) -> Iterator[dict[str, str]]:
    """The settings that lead through it; the role has its limits, as after the migrations of a deployment."""
    direct = make_url(postgres)
    engine = create_engine(postgres.replace("postgresql://", db.DIALECT, 1), poolclass=NullPool)
    with engine.begin() as connection:
        grants.keep_limits(connection, direct.username or "")
    through = direct.set(port=ports.free())
    folder = Path(tempfile.mkdtemp(prefix="weelo-pgbouncer-"))
    file = folder / "pgbouncer.ini"
    values = {"host": direct.host, "from_port": direct.port, "user": direct.username, "port": through.port}
    file.write_text(CONFIGURATION.format(password=direct.password, **values))
    # It refuses to be root.
    account = unprivileged.account(folder)
    if account:
        folder.chmod(0o755)
    command = [PGBOUNCER or "", *(["-u", account.name] if account else []), str(file)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
    url = through.render_as_string(False)
    try:
        _wait_for(url)
        yield {"DATABASE_URL": url, "DATABASE_PREPARE": "false"}
    finally:
        process.terminate()
        process.wait(10)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"ALTER ROLE {direct.username} IN DATABASE {direct.database} RESET ALL"
            )
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
