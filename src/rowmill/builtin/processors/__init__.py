"""What can be done to a row."""
