"""A product that has run for long: what every route, frame and sweep costs with millions of past rows."""
