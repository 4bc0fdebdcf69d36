"""Runs an enrichment, row by row: feed, attempt, settle, commit."""
