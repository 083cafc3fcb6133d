"""What may be sent and what is answered: bodies, queries, headers and frames, field by field."""
