"""How the web server divides its connections between its processes and reads requests. gunicorn's master
imports it before the workers patch the standard library, so it imports nothing of the application.
"""
