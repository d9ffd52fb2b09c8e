"""A file per row of the requirements: what a person can do through HTTP, events and the command line.

Nothing here may look into a service, a store or a document.
"""
