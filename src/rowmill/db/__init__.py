"""The database behind a store."""
