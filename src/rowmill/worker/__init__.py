"""Takes jobs up and works them."""
