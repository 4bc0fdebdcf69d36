"""What goes in and out of the API, as pydantic models: they are its description, too."""
