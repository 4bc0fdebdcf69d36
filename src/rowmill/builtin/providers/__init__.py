"""How models are reached."""
