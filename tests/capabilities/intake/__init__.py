"""The capabilities of intake over HTTP, row by row. Nothing here may look inside a service."""
