"""All tables in one place: importing this module fills the metadata."""

from models.admissions import admissions
from models.drivers import drivers
from models.failed_rows import failed_rows
from models.offers import offers
from models.orders import order_events, orders, truck_requests
from models.outbox import outbox
from models.revocations import revoked_tokens
from models.secrets import secrets
from models.tracks import track_parts

TABLES = (
    admissions,
    drivers,
    orders,
    truck_requests,
    offers,
    order_events,
    track_parts,
    outbox,
    revoked_tokens,
    failed_rows,
    secrets,
)
