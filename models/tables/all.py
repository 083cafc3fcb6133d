"""All tables in one place: importing this module fills the metadata."""

from models.failed_rows import failed_rows
from models.outbox import outbox
from models.tables.admissions import admissions
from models.tables.drivers import driver_events, drivers
from models.tables.erasures import erasures
from models.tables.offers import offers
from models.tables.orders import order_events, orders, truck_requests
from models.tables.revoked_tokens import revoked_tokens
from models.tables.secrets import secrets
from models.tables.tracks import track_parts

TABLES = (
    admissions,
    drivers,
    driver_events,
    orders,
    truck_requests,
    offers,
    order_events,
    track_parts,
    outbox,
    revoked_tokens,
    failed_rows,
    secrets,
    erasures,
)
