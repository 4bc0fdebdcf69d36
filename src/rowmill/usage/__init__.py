"""What jobs have used, and the limits of a month."""
