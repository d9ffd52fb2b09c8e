"""Rules of evaluation, one document at a time. Nothing here may know another service."""
