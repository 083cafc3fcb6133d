"""The real system under load while its parts are killed, and a comparison of what everybody was told
with what Postgres holds. `python -m tests.faults --help` runs it.
"""
