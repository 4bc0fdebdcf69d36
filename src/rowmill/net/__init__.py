"""What everything that speaks HTTP shares."""
