"""Drivers' positions on their way into the live index and into Postgres."""
