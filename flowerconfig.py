"""Flower's settings: behind a password, whatever its own environment forgets.

Flower takes every name without an underscore in front for an option of its own.
"""

from pathlib import Path as _Path

from flower.urls import settings as _flower  # type: ignore[import-untyped]
from flower.views import monitor as _monitor  # type: ignore[import-untyped]
from tornado.ioloop import PeriodicCallback as _PeriodicCallback
from tornado.template import DictLoader as _DictLoader
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

# Flower has no setting for a link of ours. Only on a developer's machine is it known where the console is.
if _settings.load().app_env == "development":
    _pages = {_page.name: _page.read_text() for _page in _Path(_flower["template_path"]).glob("*.html")}
    _first = '<ul class="app-nav navbar-nav">'
    _address = f"//{{{{ request.host_name }}}}:{_settings.load().port}/console"
    _console = f'{_first}<li class="nav-item"><a class="nav-link" href="{_address}">Console</a></li>'
    _pages["navbar.html"] = _pages["navbar.html"].replace(_first, _console)
    _flower["template_loader"] = _DictLoader(_pages)

_PeriodicCallback(_alive_file.touch, 1000).start()
