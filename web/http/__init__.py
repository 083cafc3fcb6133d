"""Requests and answers of every kind: parsing, errors, headers, ids, addresses."""
