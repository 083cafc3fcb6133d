"""What operators do to orders, trips and drivers: audited with its reason, and all concerned are notified."""
