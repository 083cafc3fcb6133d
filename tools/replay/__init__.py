"""Replays a recorded day against the running system, as its customers and drivers would see it.

A client and nothing else: it speaks HTTP and WebSocket, imports nothing of the system and never
looks into its database, so what it reports is what people would have met.
"""
