"""Rules of intake, one message at a time, and its routes over HTTP. Nothing here may know how a rule is written."""
