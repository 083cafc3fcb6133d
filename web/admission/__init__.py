"""The door for new orders: checked, committed in groups, answered."""
