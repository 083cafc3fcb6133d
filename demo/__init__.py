"""A simulated city against the running system."""
