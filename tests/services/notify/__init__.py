"""Rules of notify, its templates, its provider and its webhooks. Nothing here may know how a rule is written."""
