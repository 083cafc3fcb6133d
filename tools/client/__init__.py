"""Clients for apps, made of the published document."""
