"""SMS providers, a module each, that speak the provider's own wire format.

They must never decide what is sent.
"""
