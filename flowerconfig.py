"""Flower's settings: behind a password, whatever its own environment forgets.

Flower takes every name without an underscore in front for an option of its own.
"""

from flower.views import monitor as _monitor  # type: ignore[import-untyped]
from tornado.ioloop import PeriodicCallback as _PeriodicCallback
from tornado.web import authenticated as _authenticated

from models import alive_file as _alive_file
from models import settings as _settings
from models.db import check_at_start as _check_at_start

_settings.load().require(_settings.OF_FLOWER)
if not _settings.load().flower_is_closed:
    _settings.refuse("FLOWER_BASIC_AUTH must be user:password; Flower is never open")
_check_at_start()
basic_auth = [_settings.load().flower_basic_auth]

# Flower 2.2.0 leaves these two open, and its figures name tasks and workers.
for _view in (_monitor.Metrics, _monitor.Healthcheck):
    _view.get = _authenticated(_view.get)

_PeriodicCallback(_alive_file.touch, 1000).start()
