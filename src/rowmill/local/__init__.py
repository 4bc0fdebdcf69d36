"""The client's verbs without a server."""
