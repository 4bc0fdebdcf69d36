"""How fast, how small and how obedient Rowmill is: see README.md beside this file."""
