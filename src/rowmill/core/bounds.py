"""The number that stands for "no limit"."""

NO_LIMIT = 1 << 62
"""More than any count, number or cost, and small enough that a database can add to it in 64 bits."""
