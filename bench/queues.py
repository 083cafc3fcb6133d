"""The queues of the tasks that do nothing, by the name of their Celery app in `bench.empty_task`."""

QUEUES = {"plain": "plaintask", "ours": "emptytask"}
