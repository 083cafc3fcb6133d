"""A simulated city that orders trucks and drives them: `make demo`, or :class:`tools.demo.control.Demo`.

Seeded and synthetic. It runs in a process of its own and stands on the Python client, on asyncio: a
driver is a socket and a phone that moves, and several hundred of them as threads would be two threads
each (ours and the socket's reader), most of them asleep.
"""
