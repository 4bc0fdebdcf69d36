"""What a plugin fulfils (``contracts``) and how it is found (``registry``)."""
