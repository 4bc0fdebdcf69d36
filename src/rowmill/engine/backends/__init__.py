"""Who hands out chunks."""
