"""Rules of review, one document at a time. Nothing here may know another service."""
