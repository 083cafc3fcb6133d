"""Requests and answers, whatever they are about: parsing, errors, headers, ids, addresses."""
