"""Access tokens of the API."""
