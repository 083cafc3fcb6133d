"""Drivers: who they are, where they are, their trips."""
