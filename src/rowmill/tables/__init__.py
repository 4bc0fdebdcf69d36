"""Tables: where they are read from, their schema, their profile, and conditions on their rows."""
