"""Fills the tables and the driver index as if the product had run for long."""

import time
from pathlib import Path
from string import Template

from sqlalchemy import text

from models import db
from models.live import driver_index
from models.live.driver_index import NO_SEARCH, Placement, Position
from tools.bench.growth import HOURS, run_script

SCRIPT = Path(__file__).parent / "fill.sql"
# One customer has three orders in ten.
BIG = "grown-big"


def fill_tables(url: str, orders: int, offers: int, drivers: int, since: str = "10 minutes") -> None:
    """So many orders with so many offers each, the last of them ``since`` ago; leaves the tables analysed and
    written out.
    """
    size = {"orders": orders, "offers": offers, "drivers": drivers}
    run_script(url, Template(SCRIPT.read_text()).substitute(size, hours=HOURS, since=since))


def fill_index(drivers: int) -> int:
    """Puts the drivers of the tables where they were, all heard of just now; how many are in a search."""
    now_ms, searchable = int(time.time() * 1000), 0
    for first in range(0, drivers, driver_index.TOGETHER):
        ids = [f"grown-{n}" for n in range(first, min(first + driver_index.TOGETHER, drivers))]
        with db.statements() as connection:
            rows = connection.execute(READ, {"ids": ids}).all()
        placements = [
            Placement(
                row.id,
                row.vehicle if row.available else NO_SEARCH,
                Position(row.last_latitude, row.last_longitude, now_ms),
                now_ms,
                now_ms * 1000,
            )
            for row in rows
        ]
        searchable += sum(placement.search != NO_SEARCH for placement in placements)
        driver_index.place_all(placements)
    return searchable


READ = text("SELECT id, vehicle, available, last_latitude, last_longitude FROM drivers WHERE id = ANY(:ids)")
