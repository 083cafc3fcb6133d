"""An order from its admission to its end."""
