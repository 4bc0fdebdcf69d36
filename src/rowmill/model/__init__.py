"""The pure part: words, statuses, rules. No I/O, no clock, no async."""
