"""What is no part of the product: bench, replay, the simulated city, audits, the launcher."""
