"""Statuses, rules, money and errors: pure, without input or output."""
