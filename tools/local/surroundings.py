"""What of this machine's environment our own processes, our own servers and pip get to see.

Standard library only, as the environment that it could import from may not be there yet.
"""

import ipaddress
import os
from collections.abc import Mapping

# libpq reads them beside any address: PGSSLMODE, PGSERVICE, PGOPTIONS, PGHOST ...
LIBPQ = "PG"
# With make's own variables, a make that we start would behave as its child. The others are read by
# Celery's and gunicorn's commands, past our settings, and mean somebody else's program.
NOT_FOR_CHILDREN = frozenset(
    {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "GUNICORN_CMD_ARGS", "DJANGO_SETTINGS_MODULE"}
    | {"APP", "BROKER_URL", "RESULT_BACKEND", "LOADER", "CONFIG_MODULE", "SKIP_CHECKS"}
    | {"__PYVENV_LAUNCHER__"}
)
# Of Python, other modules and other flags than ours; of Celery, an option of its command each.
PREFIXES_NOT_FOR_CHILDREN = ("PYTHON", "CELERY_")
OURS = frozenset({"CELERY_BROKER_URL"})
# Read by Flower or gunicorn themselves, which take an empty number for a wrong one.
NUMBERS = ("PORT", "FLOWER_PORT", "WEB_CONCURRENCY")

# Where packages come from and how they are fetched; anything else would change what is installed, or where.
PIP = frozenset(
    {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST"}
    | {"PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_CONFIG_FILE", "PIP_KEYRING_PROVIDER"}
    | {"PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"}
)


def for_processes(given: Mapping[str, str], own_postgres: bool) -> dict[str, str]:
    """The environment of the processes of the system; ``own_postgres``: it is a server that we start."""
    return {
        name: value
        for name, value in given.items()
        if name in OURS
        or not (
            name in NOT_FOR_CHILDREN
            or name.startswith(PREFIXES_NOT_FOR_CHILDREN)
            or (own_postgres and name.startswith(LIBPQ))
            or (name == "HOST" and not is_address(value))
            or (name in NUMBERS and not value.strip())
        )
    }


def is_address(host: str) -> bool:
    """Whether a server could listen there. (conda and some shells set HOST to the machine's kind or name.)"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def for_pip(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for pip: it keeps where to fetch from, and forgets where else to install."""
    return {
        name: value
        for name, value in given.items()
        if name in PIP or not name.startswith(("PIP_", "PYTHON", "__PYVENV"))
    }


def for_servers() -> dict[str, str]:
    """The environment of Postgres and Valkey: a path and a locale. Their libraries are their own."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def forget_strangers() -> None:
    """Takes from this process what its children are not to see either."""
    kept = for_processes(os.environ, own_postgres=not os.environ.get("DATABASE_URL"))
    for name in set(os.environ) - set(kept):
        del os.environ[name]


def forget_libpq() -> None:
    """This process talks to a Postgres of our own, whose address says everything."""
    for name in [name for name in os.environ if name.startswith(LIBPQ)]:
        del os.environ[name]
