"""Robo drivers: they answer one test order as its `X-Weelo-Test` header says, in development only.

Each order has a process of its own, which uses the public API and the socket as apps do. The web process
that was asked for the order starts it and tells it the order's id through a pipe.
"""
