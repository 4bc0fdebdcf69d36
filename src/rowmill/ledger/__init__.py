"""Jobs in the store: claims, commits, recovery, control, events, queue, datasets."""
