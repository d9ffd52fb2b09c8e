"""Rules of courier, its evidence, its partner and its webhooks. Nothing here may know how a rule is written."""
