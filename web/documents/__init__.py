"""The published documents: what may be asked over HTTP and over the socket, and what is answered.

Each view carries what is said of its route (``web/http/operations.py``), ``web/schemas`` has the bodies and
answers, ``frames`` the socket's frames, ``codes`` the errors; ``openapi`` and ``asyncapi`` put it together,
``pages`` serves it.
"""
