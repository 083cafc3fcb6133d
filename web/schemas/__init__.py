"""What may be sent: bodies, queries, headers and frames, field by field."""
