"""Rules of intake, one message at a time."""
