"""Celery's settings, values only. The same file serves the door, the workers, beat and Flower."""

from datetime import timedelta

from models import settings

_settings = settings.load()

# The address as `models/store_urls.py` reads it, and for rediss:// what is checked of the server.
broker_url = _settings.broker.url
broker_use_ssl = _settings.broker.tls_options if _settings.broker.tls else None
broker_connection_retry_on_startup = True
# A worker waits for its broker as long as that takes.
broker_connection_max_retries = None
# A Redis that answers and refuses (READONLY after a failover, OOM) is waited for like one that is away.
broker_channel_error_retry = True
# Nobody waits on Celery for a result: Postgres has it.
task_ignore_result = True
task_store_errors_even_if_ignored = False

# A task of a killed worker is handed out again after 60 s. One value in every process: the shortest wins.
# The sweeps are faster; this is the second net. kombu notes by the clock of one worker when a task was taken
# and compares by another's, so it is longer than any task takes and two clocks may differ (30 s): else a
# worker whose clock is ahead hands out again what the others have just taken.
broker_transport_options = {
    "visibility_timeout": 60,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    # Whoever looks for them has a lock, which outlives a worker or a Redis that dies meanwhile; by default
    # for 300 s, in which nobody's tasks are handed out again.
    "unacked_mutex_expire": 5,
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
}
task_acks_late = True
task_reject_on_worker_lost = True
worker_cancel_long_running_tasks_on_connection_loss = False
worker_prefetch_multiplier = 4

task_serializer = "json"
accept_content = ["json"]
timezone = "UTC"
worker_hijack_root_logger = False
# Flower shows tasks as they pass.
worker_send_task_events = True
worker_consumer = "tasks.celery_patches.event_buffer:BufferedEventsConsumer"

imports = ("tasks.orders", "tasks.sweeps")
task_default_queue = "orders"
task_routes = {
    "orders.place": {"queue": "orders"},
    "sweeps.*": {"queue": "sweeps"},
}

# Without `expires`: Celery counts it by the clocks of two hosts, and a beat that is some seconds behind its
# workers would have every sweep thrown away. What piles up is thinned out in `tasks.sweeps`.
_EVERY_SECOND = {"schedule": timedelta(seconds=1)}
beat_schedule = {
    "each_second": {"task": "sweeps.each_second", **_EVERY_SECOND},
    "forget": {"task": "sweeps.forget", "schedule": timedelta(seconds=10)},
    # A minute's sample; twice as often, so that no minute is left out.
    "sample": {"task": "sweeps.sample", "schedule": timedelta(seconds=30)},
    "cleanup": {
        "task": "sweeps.cleanup",
        "schedule": timedelta(seconds=_settings.cleanup_interval_seconds),
    },
}
if _settings.retention_days:
    beat_schedule["retain"] = {"task": "sweeps.retain", **_EVERY_SECOND}
# Beat looks at its clock at least this often; the schedule's shortest step is a second.
beat_max_loop_interval = 1
