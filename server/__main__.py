"""Starts gunicorn with `gunicornconfig.py` and no other settings: ``python -m server "web:create_app()"``.

gunicorn reads some of the environment while it is imported, before that file can say what is wrong.
"""

import sys
from importlib import import_module

from models import settings

CONFIGURATION = "gunicornconfig.py"


def main() -> None:
    settings.load().require(settings.OF_WEB)
    settings.keep_from_gunicorn()
    sys.argv[1:1] = ["-c", CONFIGURATION]
    # Only now: its import is what reads the environment.
    sys.exit(import_module("gunicorn.app.wsgiapp").run())


if __name__ == "__main__":
    main()
