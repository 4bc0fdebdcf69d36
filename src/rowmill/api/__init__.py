"""The HTTP API: FastAPI routes over the service's operations, and server-sent events."""
