"""What the application's own role may do in Postgres, where another role owns the tables."""

from sqlalchemy import Connection, Table, text

from models import poolers
from models.tables.all import TABLES
from models.tables.drivers import driver_events
from models.tables.erasures import erasures
from models.tables.orders import order_events
from models.tables.secrets import secrets

# The audit is only ever added to, a secret never changes, and the version is the migrations' business.
ADDED_TO = frozenset({order_events, driver_events, secrets, erasures})
# What else may be done to the audit: see the migration that made them.
FUNCTIONS = (
    "forget_events(uuid[])",
    "forget_words(uuid[], text, text)",
    "forget_notes(timestamptz, integer)",
)


def grant(connection: Connection, role: str) -> None:
    """Gives the role what it needs and takes away everything else; to be run after each migration."""
    name = connection.dialect.identifier_preparer.quote_identifier(role)
    connection.execute(text(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {name}"))
    for table in TABLES:
        connection.execute(text(f'GRANT {_rights(table)} ON "{table.name}" TO {name}'))

    for function in FUNCTIONS:
        connection.execute(text(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"))
        connection.execute(text(f"GRANT EXECUTE ON FUNCTION {function} TO {name}"))


def _rights(table: Table) -> str:
    return "SELECT, INSERT" if table in ADDED_TO else "SELECT, INSERT, UPDATE, DELETE"


def keep_limits(connection: Connection, role: str) -> None:
    """Sets what every session of ours has on the role itself: a pooler that shares sessions drops what a
    session sets. Where the owner may not, each process says at its start what is missing.
    """
    name = connection.dialect.identifier_preparer.quote_identifier(role)
    database = connection.dialect.identifier_preparer.quote_identifier(
        connection.execute(text("SELECT current_database()")).scalar_one()
    )
    for setting in poolers.SESSION:
        connection.execute(
            text(f"ALTER ROLE {name} IN DATABASE {database} SET {poolers.assignment(setting)}")
        )
