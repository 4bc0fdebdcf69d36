"""Where tables are fetched from and put to."""
