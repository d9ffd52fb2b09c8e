"""What the services, portals and partners of Tongban say to each other: events, code lists, numbers, catalogue.

This package imports pydantic and the standard library only, never `chassis`, `services` or `sandbox`.
"""
