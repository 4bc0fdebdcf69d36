"""From a request to a job in the store: resolve, validate, insert."""
