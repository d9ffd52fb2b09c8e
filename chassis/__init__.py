"""How Tongban's services travel and are kept: decisions, bus, store, errands, alarms, HTTP, clock.

Services import from here; this package must never import a service or the sandbox.
"""
