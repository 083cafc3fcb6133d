"""The published documents: what may be asked over HTTP and over the socket, and what is answered.

``operations`` says what can be said of a route, ``routes_*`` say it of each, ``shapes`` and ``frames``
are what goes over the wire, ``codes`` the errors; ``openapi`` and ``asyncapi`` put it together,
``pages`` serves it.
"""
