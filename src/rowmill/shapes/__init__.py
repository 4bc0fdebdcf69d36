"""What goes out through the API, the command line, the Python client, events and webhooks: each thing described once,
as a frozen dataclass whose attribute docstrings describe its fields in OpenAPI."""
