"""A driver who lost a truck at one price may be asked for another at another price: offers are unique by kind
and price, and a driver has one open offer of an order.

The indexes are built while others write (`CONCURRENTLY`, outside of a transaction). One that an earlier try
left unfinished is built again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OPEN = "one_open_offer_per_driver_and_order"
BY_KIND = "one_offer_of_a_kind_per_driver"
BY_ROUND = "uq_offers_order_id_driver_id_round"
OPEN_OF_DRIVER = "ix_offers_open_of_driver"

# Nothing wrote such rows, and nothing kept them out.
CLOSE_DOUBLES = """
    UPDATE offers SET state = 'withdrawn', closed_at = now()
    FROM (
        SELECT id, row_number() OVER (
            PARTITION BY driver_id, order_id ORDER BY round DESC, offered_at DESC, id) AS number
        FROM offers WHERE state = 'open'
    ) AS open
    WHERE offers.id = open.id AND open.number > 1
"""


def _index(name: str, columns: list[str], unique: bool, condition: str | None = None) -> None:
    where = sa.text(condition) if condition else None
    op.drop_index(name, "offers", if_exists=True, postgresql_concurrently=True)
    op.create_index(
        name, "offers", columns, unique=unique, postgresql_where=where, postgresql_concurrently=True
    )


def upgrade() -> None:
    op.execute(CLOSE_DOUBLES)
    with op.get_context().autocommit_block():
        _index(OPEN, ["driver_id", "order_id"], True, "state = 'open' AND driver_id IS NOT NULL")
        op.execute(f"ALTER TABLE offers DROP CONSTRAINT IF EXISTS {BY_KIND}")
        _index(BY_KIND, ["order_id", "driver_id", "round", "vehicle", "fare"], True)
        op.execute(f"ALTER TABLE offers ADD CONSTRAINT {BY_KIND} UNIQUE USING INDEX {BY_KIND}")
        op.drop_index(OPEN_OF_DRIVER, "offers", if_exists=True, postgresql_concurrently=True)
    op.execute(f"ALTER TABLE offers DROP CONSTRAINT IF EXISTS {BY_ROUND}")


def downgrade() -> None:
    op.execute(
        "DELETE FROM offers USING offers later WHERE offers.order_id = later.order_id"
        " AND offers.driver_id = later.driver_id AND offers.round = later.round"
        " AND (offers.offered_at, offers.id) < (later.offered_at, later.id)"
    )
    op.create_unique_constraint(BY_ROUND, "offers", ["order_id", "driver_id", "round"])
    with op.get_context().autocommit_block():
        _index(OPEN_OF_DRIVER, ["driver_id"], False, "state = 'open'")
        op.drop_index(OPEN, "offers", if_exists=True, postgresql_concurrently=True)
    op.execute(f"ALTER TABLE offers DROP CONSTRAINT IF EXISTS {BY_KIND}")
