"""What goes out through the API, the command line and the client."""
