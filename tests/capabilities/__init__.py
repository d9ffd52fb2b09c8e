"""A file per requirement row, driven through public doors only. Nothing here may look inside a service."""
