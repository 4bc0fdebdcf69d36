"""How long a test waits for what must come."""

DEADLINE = 120.0
"""Seconds after which an awaited event counts as missing. Only a failing test waits this long, so it is far beyond what
a busy machine needs."""
