"""What Postgres' error codes say of the server, apart from the statement that met them.

Source: Appendix A of Postgres' manual. A code's first two characters are its class.
"""

import psycopg2

# The connection has ended or never began, and what was sent last may have happened.
LOST = ("08", "57P", "58", "F0", "XX", "40003", "25P03", "25P04")
# The server answers, and refuses every client: read-only (25006), other passwords or rights (28, 42501), full
# or without memory (53), no such database, schema, table or column (after a restore, before a migration).
FOR_EVERYBODY = ("25006", "28", "42501", "53", "3D000", "3F000", "42P01", "42703")
# This statement lost a race or its time (40, 55, 57014), or a statement prepared before (26).
GIVEN_UP = ("40", "55", "57014", "26")
# Another server may be the primary now.
ELSEWHERE = ("25006", "57P")
# psycopg2 has no code for what libpq itself says of a connection.
OF_LIBPQ = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.DatabaseError)


def _code(error: BaseException | None) -> str:
    return str(getattr(error, "pgcode", None) or "")


def passing(error: BaseException | None) -> bool:
    """Whether the store is to blame, and not the statement or its values."""
    if code := _code(error):
        return code.startswith(LOST + FOR_EVERYBODY + GIVEN_UP)
    return type(error) in OF_LIBPQ


def for_everybody(error: BaseException | None) -> bool:
    """Whether the server refuses every statement of this kind, from any client."""
    return _code(error).startswith(FOR_EVERYBODY)


def elsewhere(error: BaseException | None) -> bool:
    """Whether a new connection may lead to a server that does what this one refuses."""
    return _code(error).startswith(ELSEWHERE)


def certain(error: BaseException | None) -> bool:
    """Whether the statement has certainly not happened."""
    code = _code(error)
    return bool(code) and not code.startswith(LOST)
