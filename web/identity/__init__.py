"""Authentication: tokens, their keys, and revocations."""
