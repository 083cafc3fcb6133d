"""Rupees: exact decimals inside, JSON numbers outside."""

from decimal import Decimal


def number(amount: Decimal) -> int | float:
    """The amount as a JSON number; two decimals up to 10^10 survive a double exactly."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)
