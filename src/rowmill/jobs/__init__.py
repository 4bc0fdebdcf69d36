"""The operations on jobs and datasets that every interface calls."""
