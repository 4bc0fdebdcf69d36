"""How model providers are reached."""
