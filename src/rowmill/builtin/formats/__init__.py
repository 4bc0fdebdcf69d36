"""CSV, TSV and JSON Lines."""
