"""The runbook, followed: each state is provoked on a small system, named where the page says, and ended."""
