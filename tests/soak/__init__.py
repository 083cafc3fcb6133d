"""The console beside a busy city: what its page holds and what it costs the server."""
