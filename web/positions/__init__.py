"""Writes drivers' positions to the live index and to Postgres."""
