"""What is true: settings, rows, constraints, live state. Imports nothing else of ours."""
