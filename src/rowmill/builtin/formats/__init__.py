"""CSV, TSV, JSON Lines, Parquet and XLSX."""
