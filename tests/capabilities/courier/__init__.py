"""What courier can do, seen from outside.

Nothing here may look into a service, a store or a document.
"""
