"""Does the work: plain functions on Postgres and live state, without Celery or Flask.

``now`` is an argument everywhere; ``None`` means the clock of Postgres, so that the clocks of the
machines that run the workers decide nothing.
"""
