"""What the running system says, read as an operator or as an app would: `make order` and `make listen`."""
