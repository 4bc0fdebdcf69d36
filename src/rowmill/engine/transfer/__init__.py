"""Runs an import or an export, batch by batch."""
