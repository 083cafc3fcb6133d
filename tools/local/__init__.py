"""Everything on one machine: builds the environment, starts the servers, supervises the processes.

Outside the chain of the application: it imports nothing of it but the settings.
"""
