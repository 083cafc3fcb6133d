"""`python -m tests.mixed --ref COMMIT`: that release on this one's tables, and this one on that one's.

A release migrates the tables before its processes replace the old ones, and may be taken back afterwards:
each must work with the tables of the other. Orders come at 5 a second for a minute; each must be answered
201, stand in Postgres and be offered to ten drivers. Ends with 1 if one is missing.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg2

from tests.conftest import ROOT
from tools.bench import open_loop
from tools.bench.city import WAVE, City
from tools.bench.loop import Loop
from tools.bench.site import Site


def run(code: Path, tables: Path, rate: float, seconds: float) -> tuple[int, int, int, int]:
    """Orders that were due, that were answered 201, that Postgres has, and offers that drivers heard."""
    with tempfile.TemporaryDirectory(prefix="weelo-mixed-") as name:
        site, loop = Site(Path(name), open_loop.TTL_SECONDS, root=code), Loop()
        try:
            site.start(site.names, tables)
            city = City(site, loop)
            city.wait_until_ready()
            before = _orders(site)
            step = open_loop.step(city, rate, seconds, warm_up=0.0)
            return step.due, step.statuses[201], _orders(site) - before, city.heard.offers
        finally:
            loop.close()
            site.stop()


def _orders(site: Site) -> int:
    with psycopg2.connect(site.postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders")
        row = cursor.fetchone()
    connection.close()
    return int(row[0]) if row else 0


def main() -> int:
    """Runs both, prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.mixed", description=__doc__)
    parser.add_argument("--ref", required=True, help="the commit of the release before")
    parser.add_argument("--rate", type=float, default=5.0, help="orders/s (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run (%(default)s)")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weelo-release-") as name:
        Path(name).chmod(0o711)
        former = Path(name) / "former"
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(former)], check=True)
        subprocess.run(["git", "-C", str(former), "checkout", "--quiet", "--detach", wanted.ref], check=True)
        whole = True
        for what, code, tables in (
            (f"{wanted.ref} on this release's tables", former, ROOT),
            (f"this release on the tables of {wanted.ref}", ROOT, former),
        ):
            due, answered, stored, offers = run(code, tables, wanted.rate, wanted.seconds)
            whole = whole and due == answered == stored and offers == WAVE * due
            said = f"{due} orders, {answered} answered 201, {stored} stored, {offers} offers heard"
            print(f"{what}: {said}", flush=True)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
