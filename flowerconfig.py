"""Flower's settings: behind a password, whatever its own environment forgets.

Flower takes every name without an underscore in front for an option of its own.
"""

from models import settings as _settings
from models.db import require_in_production as _require_in_production

_require_in_production()
basic_auth = [_settings.load().flower_basic_auth]
