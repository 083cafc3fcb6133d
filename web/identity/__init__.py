"""Who is calling: tokens, their keys, and what was called back."""
