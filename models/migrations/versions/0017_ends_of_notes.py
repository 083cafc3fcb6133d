"""What operators did to drivers, and the notes of erasures, are kept for a time like everything else; an erased
person's words leave all events of their orders.

The application may only add to these tables. What it may take away these functions do as the owner, and they
take nothing that is younger than a day. Either side may run first.
"""

from models.migrations import steps

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

HEAD = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
# Rows arrive in the order of their times, so that the oldest are the first of the primary key.
FORGET_NOTES = f"""
    CREATE OR REPLACE FUNCTION forget_notes(before timestamptz, most integer) RETURNS bigint LANGUAGE sql {HEAD} AS $$
        WITH events AS (
            DELETE FROM public.driver_events WHERE at < least(before, now() - interval '1 day')
                AND id = ANY(ARRAY(SELECT id FROM public.driver_events ORDER BY id LIMIT most)) RETURNING 1
        ), notes AS (
            DELETE FROM public.erasures WHERE at < least(before, now() - interval '1 day')
                AND id = ANY(ARRAY(SELECT id FROM public.erasures ORDER BY id LIMIT most)) RETURNING 1
        )
        SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM notes)
    $$
"""
# Without a kind: of every kind. The version before names one.
FORGET_WORDS = """
    CREATE OR REPLACE FUNCTION forget_words(of_orders uuid[], kind text, of_driver text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET weelo.may_forget = 'yes' AS $$
        {more}UPDATE public.order_events e SET data = e.data - {words}
        WHERE e.order_id = ANY(of_orders) AND {condition}
    $$
"""
OF_ONE_KIND = "e.type = kind AND (of_driver IS NULL OR e.data ->> 'driverId' = of_driver)"
AFTER = {
    "words": "'{reason,why}'::text[]",
    "condition": f"e.data ?| '{{reason,why}}' AND (kind IS NULL OR {OF_ONE_KIND})",
    "more": "UPDATE public.driver_events d SET data = d.data - 'reason' WHERE d.driver_id = of_driver; ",
}
BEFORE = {"words": "'reason'", "condition": f"{OF_ONE_KIND} AND e.data ? 'reason'", "more": ""}


def upgrade() -> None:
    steps.run(FORGET_NOTES, FORGET_WORDS.format(**AFTER))


def downgrade() -> None:
    steps.run(FORGET_WORDS.format(**BEFORE), "DROP FUNCTION IF EXISTS forget_notes(timestamptz, integer)")
