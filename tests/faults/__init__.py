"""The real system under load while its parts are killed, and a comparison of what every app was sent
with what Postgres holds. `python -m tests.faults --help` runs it.
"""
