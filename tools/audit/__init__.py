"""Looks over what is shipped: `make audit`, `make secrets`, `make licences`."""
