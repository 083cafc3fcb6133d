"""The console: one page on which operators watch, and end or widen the search of an order."""
