"""Which files of ours run for one order, from its connection to the 201 and the first offer."""
