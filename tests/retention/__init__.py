"""What is past its time leaves beside orders that are placed: how fast, and what the orders feel of it."""
