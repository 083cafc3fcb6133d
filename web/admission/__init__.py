"""Admission of new orders: checks, group commit, answer."""
