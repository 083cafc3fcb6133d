"""Erasures are noted, and the audit loses what is past its time or was said by a person who is erased.

The application may only add to the audit. These two functions run as the owner of the tables and do no more
than they say: events go only after their order, and of an event only a person's own words. Either side may run
first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Against mistakes; what keeps the application out is that it has no right to update or delete.
APPEND_ONLY = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {exception}RAISE EXCEPTION 'order_events is append-only';
    END
    $$
"""
EXCEPTION = "IF current_setting('weelo.may_forget', true) = 'yes' THEN RETURN NULL; END IF; "
FORGET_EVENTS = """
    CREATE FUNCTION forget_events(past uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET weelo.may_forget = 'yes' AS $$
        DELETE FROM public.order_events e
        WHERE e.order_id = ANY(past) AND NOT EXISTS (SELECT FROM public.orders o WHERE o.id = e.order_id)
    $$
"""
FORGET_WORDS = """
    CREATE FUNCTION forget_words(of_orders uuid[], kind text, of_driver text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET weelo.may_forget = 'yes' AS $$
        UPDATE public.order_events e SET data = e.data - 'reason'
        WHERE e.order_id = ANY(of_orders) AND e.type = kind AND e.data ? 'reason'
            AND (of_driver IS NULL OR e.data ->> 'driverId' = of_driver)
    $$
"""


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('customer', 'driver')", name="ck_erasures_role"),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )
    op.execute(APPEND_ONLY.format(exception=EXCEPTION))
    op.execute(FORGET_EVENTS)
    op.execute(FORGET_WORDS)


def downgrade() -> None:
    op.execute("DROP FUNCTION forget_words(uuid[], text, text)")
    op.execute("DROP FUNCTION forget_events(uuid[])")
    op.execute(APPEND_ONLY.format(exception=""))
    op.drop_table("erasures")
