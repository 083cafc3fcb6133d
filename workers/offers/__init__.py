"""Whom to ask, in which wave, and who gets the truck."""
