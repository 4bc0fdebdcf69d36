"""What every store promises. A new database joins by one more ``Place`` in ``conftest.py``."""
