"""The tables' versions, and how they are changed."""
