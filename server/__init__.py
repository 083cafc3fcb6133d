"""How the web server shares its connections out between its processes, and how answers leave. gunicorn's
master imports it before the workers patch the standard library, so it knows nothing of the application.
"""
