"""The command line: parses, calls the service, shows what it says."""
