"""Limits of one caller, of one address and of the whole process."""
